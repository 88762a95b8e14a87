/*
 * Ranges that may overlap, found by address: each stretch of addresses with the same set of
 * ranges is one interval with a chain of notes. Used where many mappings name one page.
 */
#ifndef IOMMUSIM_SIM_SPANS_H
#define IOMMUSIM_SIM_SPANS_H

#include "sim/imap.h"
#include "sim/pool.h"

/*
 * Public for the inline search below; everything else goes through the functions. The newest note of a
 * stretch lies in its interval, as most stretches have no other: SPANS_OLDER is the chain behind it.
 */
enum { SPANS_KEY, SPANS_DATA, SPANS_OLDER };

struct spans {
	struct imap *map;
	struct pool notes;
};

int spans_create(struct spans **out);
void spans_destroy(struct spans *spans);

/* (key, data) now covers [first, last]; the same pair may be added to a range once. */
int spans_add_over(struct spans *spans, uint64_t first, uint64_t last, uint32_t key, uint64_t data);
static inline int spans_add(struct spans *spans, uint64_t first, uint64_t last, uint32_t key,
			    uint64_t data)
{
	bool taken;
	struct imap_entry *entry = imap_claim(spans->map, first, last, &taken);

	if (taken)
		return spans_add_over(spans, first, last, key, data);
	if (!entry)
		return -1;
	entry->value[SPANS_KEY] = key;
	entry->value[SPANS_DATA] = data;
	entry->value[SPANS_OLDER] = POOL_NONE;
	return 0;
}
void spans_remove(struct spans *spans, uint64_t first, uint64_t last, uint32_t key, uint64_t data);

/* The only stretch that overlaps [first, last], which lies within and has one note: values SPANS_KEY and
 * SPANS_DATA. NULL: it is not so. The spans' own, until they change. */
static inline struct imap_entry *spans_only(const struct spans *spans, uint64_t first,
					    uint64_t last)
{
	struct imap_entry *only = imap_only_in(spans->map, first, last);

	return only && only->first >= first && only->last <= last &&
			       only->value[SPANS_OLDER] == POOL_NONE
		       ? only
		       : NULL;
}
/* Takes it out. */
static inline void spans_drop(struct spans *spans, struct imap_entry *only)
{
	imap_erase(spans->map, only);
}

/* Every stretch and note that overlaps [first, last], in order of address. */
void spans_each(const struct spans *spans, uint64_t first, uint64_t last,
		void (*visit)(void *ctx, uint64_t first, uint64_t last, uint32_t key,
			      uint64_t data),
		void *ctx);

/*
 * The same with boundaries made at first and last: visit may change *data, and returns false to
 * have the note removed. -1: no memory (nothing was visited).
 */
int spans_update(struct spans *spans, uint64_t first, uint64_t last,
		 bool (*visit)(void *ctx, uint64_t first, uint64_t last, uint32_t key,
			       uint64_t *data),
		 void *ctx);

#endif
