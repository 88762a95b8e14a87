/*
 * Fetching table words into this computer's caches before a walk needs them.
 *
 * Tables of many pages do not stay near, and a walk has nothing to do but wait for its leaf. So a
 * model notes for each region of 2 MiB the table that it had last, and while most requests walk it
 * has the leaves of the next ones fetched. Notes are hints: what they say may be outdated, tables
 * that share a slot replace each other, and a wrong guess costs nothing but itself.
 */
#ifndef IOMMUSIM_HW_AHEAD_H
#define IOMMUSIM_HW_AHEAD_H

#include <stddef.h>

#include "hw/memory.h"

enum {
	AHEAD_SLOTS_LG2 = 14,
	AHEAD_SLOTS = 1 << AHEAD_SLOTS_LG2,
	AHEAD_REQUESTS = 16, /* how many requests are fetched for at once */
};

struct ahead {
	struct frame *frame;
	const uint64_t *words;
};

/* Where the notes of a tag's copies begin. Regions of one tag lie side by side, those of others as far
 * off as the golden ratio puts them, whatever numbers a model gives its tags. */
static inline uint32_t ahead_begin(uint32_t tag)
{
	return (uint32_t)(tag * 0x9e3779b97f4a7c15ull >> (64 - AHEAD_SLOTS_LG2));
}

/* The note of the region that an address is in. */
static inline size_t ahead_slot(uint32_t begin, iova_t iova)
{
	return ((iova >> 21) + begin) & (AHEAD_SLOTS - 1);
}

/* always_inline: gcc 12 takes a function that only fetches for one that does nothing. */
static inline __attribute__((always_inline)) void ahead_fetch(const struct ahead *ahead,
							      iova_t iova)
{
	if (ahead->words) /* nothing is noted: to look for no address takes long */
		__builtin_prefetch(ahead->words + bits(iova, 20, 12));
}

#endif
