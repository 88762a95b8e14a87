/*
 * Machine descriptions in YAML: maps of scalars and nothing else. Nested maps and dotted keys
 * mean the same:
 *
 *     vtd:
 *       iotlb: { sets: 16, ways: 4 }
 *     vtd.mgaw: 39
 *
 * Refused, each with file, line and column: unknown keys (the nearest one is named), keys that
 * stand twice, values that do not fit, lists, anchors, aliases, tags, further documents, more than
 * 8 levels, more than 1 MiB. An empty file changes nothing.
 */
#ifndef IOMMUSIM_SIM_MACHINE_YAML_H
#define IOMMUSIM_SIM_MACHINE_YAML_H

#include "sim/settings_io.h"

/* Sets what the file says. -1: *err says where and what; values read before that are set. */
int settings_load_yaml(const struct setting_table *tables, size_t n, const char *path,
		       struct err *err);

/*
 * The value of one dotted key, for the choice of tables that the file itself makes ("iommu: vtd").
 * 1: found; 0: the file does not say; -1: no such file, no YAML, or the value has size bytes or more.
 */
int settings_peek_yaml(const char *path, const char *key, char *value, size_t size,
		       struct err *err);

#endif
