/*
 * One row per setting of a machine description. Parsing, ranges, defaults, --help,
 * --print-config, the documentation and the copy stored with a result all come from rows.
 *
 * Every setting is one uint64_t field of a struct: a count, nanoseconds, bytes, a 0/1 flag,
 * or the index of a choice.
 */
#ifndef IOMMUSIM_HW_BASE_SETTINGS_H
#define IOMMUSIM_HW_BASE_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

enum setting_type {
	SETTING_COUNT,	/* decimal or 0x */
	SETTING_NS,	/* a time: number with ns, us, ms, s (no suffix: ns) */
	SETTING_BYTES,	/* a size: number with K, M, G */
	SETTING_BOOL,	/* yes or no */
	SETTING_CHOICE, /* one of choices[]; stored as its index */
};

struct setting {
	const char *key; /* dotted, as in --set: "vtd.iotlb.ways" */
	enum setting_type type;
	size_t offset;	   /* of a uint64_t in the struct that the table describes */
	uint64_t min, max; /* inclusive; unused for BOOL and CHOICE */
	uint64_t value;	   /* the default */
	const char *
		values; /* SETTING_CHOICE: "a|b|c", in the order of the enum; SETTING_COUNT: its unit */
	const char *doc;    /* one line */
	const char *source; /* where the default comes from */
};

#endif
