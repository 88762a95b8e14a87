/*
 * META: "key = value" lines that say where a recording comes from. The native form keeps them in a
 * block, the text form in comments "# meta key = value" behind its header.
 */
#ifndef IOMMUSIM_TRACES_META_H
#define IOMMUSIM_TRACES_META_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { META_MAX = 1 << 20 };

/* Lines that the writer of a native file gives itself: they are never taken over. */
static inline bool meta_is_writers(const char *line)
{
	return !strncmp(line, "format =", 8) || !strncmp(line, "writer =", 8) ||
	       !strncmp(line, "libzstd =", 9);
}

/* The number after a key; 0: meta is NULL or has none. */
static inline uint64_t meta_number(const char *meta, const char *key)
{
	const char *at = meta ? strstr(meta, key) : NULL;

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* Whether a key is there with another value than this one; false where it is not there. */
static inline bool meta_differs(const char *meta, const char *key, const char *value)
{
	const char *at = meta ? strstr(meta, key) : NULL;
	size_t length = strlen(value);

	if (!at)
		return false;
	at += strlen(key);
	return strncmp(at, value, length) != 0 || (at[length] != '\n' && at[length] != '\0');
}

/* Whether a key is there with this value. */
static inline bool meta_says(const char *meta, const char *key, const char *value)
{
	return meta && strstr(meta, key) && !meta_differs(meta, key, value);
}

/* Recorded on another kind of IOMMU than this one: its commands, registers and fault codes mean
 * nothing here. A recording that does not say is taken to be of the kind it is replayed on. */
static inline bool meta_foreign(const char *meta, const char *model)
{
	return meta_differs(meta, "source.iommu = ", model);
}

/* How far apart two clocks of a merged recording may be. */
static inline uint64_t meta_uncertainty_ns(const char *meta)
{
	return meta_number(meta, "clock.uncertainty_ns = ");
}

#endif
