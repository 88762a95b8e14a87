/*
 * Settings of some devices only. A table of settings that may differ from device to device takes, beside
 * its own keys, which are for all devices, keys of the form "devices.PATTERN.KEY":
 *
 *     devices.3b:00.0.ats.latency: 20us    one function, as bus:device.function in hex digits
 *     devices.3b:*.*.atc.sets: 64          * is any bus, device or function
 *     devices.0x1d8.atc.dma: no            a requester id (StreamID), decimal or 0x
 *
 * KEY is one of the table's. What is said last holds, whatever the patterns; in one file a pattern may
 * not have the same key twice. A bus:device.function matches requester ids of 16 bits, without a segment.
 */
#ifndef IOMMUSIM_SIM_OVERRIDES_H
#define IOMMUSIM_SIM_OVERRIDES_H

#include <stdbool.h>

#include "sim/settings_io.h"

struct setting_override {
	uint32_t mask, id; /* requester ids with id in the bits of mask */
	const struct setting *row;
	uint64_t value;
	size_t line; /* of the file being read, 0: another source */
	char pattern[16];
};

struct setting_overrides {
	struct setting_override *all; /* in the order in which they were said */
	size_t n, max;
	size_t line; /* that the next one stands in, 0: not in a file */
};

void overrides_free(struct setting_overrides *overrides);
/* Whether the key is one for overrides, right or wrong. */
bool overrides_takes(const char *key);
/* Sets "devices.PATTERN.KEY", where KEY is a row of the table; the table has overrides. */
int overrides_set(const struct setting_table *table, const char *key, const char *value,
		  const char *origin, struct err *err);
/* Puts what holds for this requester into values, a copy of the table's struct. */
void overrides_apply(const struct setting_overrides *overrides, uint32_t requester_id,
		     void *values);
/* One "KEY<between>VALUE" line each, which sets the same again. */
void overrides_print(FILE *out, const struct setting_overrides *overrides, const char *between);

#endif
