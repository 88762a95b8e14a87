/*
 * An ordered map of disjoint closed intervals [first, last] of 64-bit addresses, each with three
 * words of value. The form of every ledger: its cost follows ranges, not pages.
 *
 * Pointers to entries are valid until the next change. Lookup, insert and removal cost
 * O(log n + a chunk of 64 entries); memory follows the entries, at most four times what they fill,
 * 2.5 KiB for a small map. Not thread-safe.
 */
#ifndef IOMMUSIM_SIM_IMAP_H
#define IOMMUSIM_SIM_IMAP_H

#include <stddef.h>
#include <stdint.h>

struct imap_entry {
	uint64_t first, last;
	uint64_t value[3];
};

struct imap;

/*
 * split, or NULL: an entry was cut in two; left ends before right begins, right has a copy of
 * the value to be adjusted. Returns 0, or -1 for no memory.
 */
int imap_create(void (*split)(struct imap_entry *left, struct imap_entry *right),
		struct imap **out);
void imap_destroy(struct imap *map); /* NULL is allowed */
size_t imap_count(const struct imap *map);

/* The entry that holds addr, or NULL. */
struct imap_entry *imap_at(const struct imap *map, uint64_t addr);
/* The lowest entry that overlaps [first, last], or NULL. */
struct imap_entry *imap_first_in(const struct imap *map, uint64_t first, uint64_t last);
/* The entry after `entry`, which is the map's own and no copy, or NULL. */
struct imap_entry *imap_next(const struct imap *map, const struct imap_entry *entry);

/* The entry is copied, lies outside the map, and must not overlap any that is there. -1: no memory. */
int imap_insert(struct imap *map, const struct imap_entry *entry);

/*
 * Removes [first, last]: entries that stick out are split, removed pieces are handed to `piece`
 * (NULL is allowed) in order. It must not change the map nor look at [first, last] in it; its first
 * result other than 0 is passed on at the end. -1: no memory, nothing was removed; only a hole in the
 * middle of one entry needs any.
 */
int imap_cut(struct imap *map, uint64_t first, uint64_t last,
	     int (*piece)(void *ctx, const struct imap_entry *piece), void *ctx);

/* Splits entries so that boundaries lie at first and after last. -1: no memory. */
int imap_isolate(struct imap *map, uint64_t first, uint64_t last);

#endif
