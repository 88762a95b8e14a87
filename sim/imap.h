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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct imap_entry {
	uint64_t first, last;
	uint64_t value[3];
};

/* Public for the inline search below; everything else goes through the functions. */
enum { IMAP_CHUNK = 64 };

struct imap_chunk {
	uint32_t n;
	struct imap_entry entries[IMAP_CHUNK];
};

/* Everything in the chunk lies at or above the key, everything in chunks before it lies below. */
struct imap_part {
	uint64_t key; /* removals leave it as it is; the first one's is never looked at */
	struct imap_chunk *chunk;
};

struct imap {
	void (*split)(struct imap_entry *left, struct imap_entry *right);
	struct imap_part *parts; /* sorted; no chunk is empty unless it is the only one */
	size_t n_parts, max_parts, count;
};

/*
 * split, or NULL: an entry was cut in two; left ends before right begins, right has a copy of
 * the value to be adjusted. Returns 0, or -1 for no memory.
 */
int imap_create(void (*split)(struct imap_entry *left, struct imap_entry *right),
		struct imap **out);
void imap_destroy(struct imap *map); /* NULL is allowed */
size_t imap_count(const struct imap *map);

/* [from, end) begins at `to` from now on. */
static inline void imap_move(struct imap_entry *to, const struct imap_entry *from,
			     const struct imap_entry *end)
{
	if (from < end)
		memmove(to, from, (size_t)(end - from) * sizeof *to);
}

/* The chunk that holds addr if any does. The map has chunks. */
static inline size_t imap_chunk_of(const struct imap *map, uint64_t addr)
{
	size_t at = 0, n = map->n_parts;

	while (n > 1) {
		size_t half = n / 2;

		at = map->parts[at + half].key <= addr ? at + half : at;
		n -= half;
	}
	return at;
}

/* The first entry of the chunk that ends at or after addr; chunk->n when there is none. */
static inline uint32_t imap_slot_of(const struct imap_chunk *chunk, uint64_t addr)
{
	uint32_t slot = 0, n = chunk->n;

	while (n > 1) {
		uint32_t half = n / 2;

		slot = chunk->entries[slot + half - 1].last < addr ? slot + half : slot;
		n -= half;
	}
	return n && chunk->entries[slot].last < addr ? slot + 1 : slot;
}

/* Where the lowest entry stands that ends at or after addr; false: nowhere. */
static inline bool imap_seek(const struct imap *map, uint64_t addr, size_t *at, uint32_t *slot)
{
	if (!map->count)
		return false;
	*at = imap_chunk_of(map, addr);
	*slot = imap_slot_of(map->parts[*at].chunk, addr);
	if (*slot < map->parts[*at].chunk->n)
		return true;
	++*at;
	*slot = 0;
	return *at < map->n_parts;
}

/* The lowest entry that overlaps [first, last], or NULL. */
static inline struct imap_entry *imap_first_in(const struct imap *map, uint64_t first,
					       uint64_t last)
{
	struct imap_entry *entry;
	uint32_t slot;
	size_t at;

	if (!imap_seek(map, first, &at, &slot))
		return NULL;
	entry = &map->parts[at].chunk->entries[slot];
	return entry->first <= last ? entry : NULL;
}

/* The one entry that overlaps [first, last]; NULL: there is none, or several. */
struct imap_entry *imap_only_of_several(const struct imap *map, uint64_t first, uint64_t last);
static inline struct imap_entry *imap_only_in(const struct imap *map, uint64_t first, uint64_t last)
{
	struct imap_entry *entry;

	if (map->count != 1)
		return imap_only_of_several(map, first, last);
	entry = map->parts[0].chunk->entries;
	return entry->first <= last && entry->last >= first ? entry : NULL;
}

/* The entry that holds addr, or NULL. */
static inline struct imap_entry *imap_at(const struct imap *map, uint64_t addr)
{
	return imap_first_in(map, addr, addr);
}

/* The entry after `entry`, which is the map's own and no copy, or NULL. */
struct imap_entry *imap_next(const struct imap *map, const struct imap_entry *entry);

/* A new entry above all others of the only chunk, for which nothing is searched or moved; NULL: its place is
 * another. */
static inline struct imap_entry *imap_append(struct imap *map, uint64_t first, uint64_t last)
{
	struct imap_chunk *chunk = map->n_parts == 1 ? map->parts[0].chunk : NULL;
	struct imap_entry *entry;

	if (!chunk || chunk->n == IMAP_CHUNK ||
	    (chunk->n && chunk->entries[chunk->n - 1].last >= first))
		return NULL;
	entry = &chunk->entries[chunk->n++];
	map->count++;
	entry->first = first;
	entry->last = last;
	return entry;
}

/* A new entry, which must not overlap any that is there; its value is the caller's to set. NULL: no
 * memory. */
struct imap_entry *imap_insert_among(struct imap *map, uint64_t first, uint64_t last);
static inline struct imap_entry *imap_insert(struct imap *map, uint64_t first, uint64_t last)
{
	struct imap_entry *entry = imap_append(map, first, last);

	return entry ? entry : imap_insert_among(map, first, last);
}

/* The same where something may be there already: then *taken, and NULL. */
struct imap_entry *imap_claim_among(struct imap *map, uint64_t first, uint64_t last, bool *taken);
static inline struct imap_entry *imap_claim(struct imap *map, uint64_t first, uint64_t last,
					    bool *taken)
{
	struct imap_entry *entry = imap_append(map, first, last);

	*taken = false;
	return entry ? entry : imap_claim_among(map, first, last, taken);
}

/*
 * Removes [first, last]: entries that stick out are split, removed pieces are handed to `piece`
 * (NULL is allowed) in order. It must not change the map nor look at [first, last] in it; its first
 * result other than 0 is passed on at the end. -1: no memory, nothing was removed; only a hole in the
 * middle of one entry needs any.
 */
int imap_cut(struct imap *map, uint64_t first, uint64_t last,
	     int (*piece)(void *ctx, const struct imap_entry *piece), void *ctx);

/* Removes the entry, which is the map's own and no copy. Pointers to entries are void after it. */
void imap_erase_among(struct imap *map, struct imap_entry *entry);
static inline void imap_erase(struct imap *map, struct imap_entry *entry)
{
	struct imap_chunk *chunk = map->parts[0].chunk;

	if (map->n_parts > 1) {
		imap_erase_among(map, entry);
		return;
	}
	chunk->n--;
	map->count--;
	imap_move(entry, entry + 1, chunk->entries + chunk->n + 1);
}

/* Splits entries so that boundaries lie at first and after last. -1: no memory. */
int imap_isolate(struct imap *map, uint64_t first, uint64_t last);

#endif
