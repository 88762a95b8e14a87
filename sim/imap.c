/*
 * Entries lie sorted in chunks of at most 64; a list of chunks with a dividing key each is sorted
 * too. Maps of one chunk, by far the most frequent, are searched without looking at the keys.
 * Chunks under a quarter full are joined with a neighbour, so that memory follows the entries.
 */
#include "sim/imap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = IMAP_CHUNK, SPARSE = CHUNK / 4, JOINED = CHUNK / 4 * 3, LIST_MIN = 4 };

int imap_create(void (*split)(struct imap_entry *left, struct imap_entry *right), struct imap **out)
{
	struct imap *map = calloc(1, sizeof *map);

	if (!map)
		return -1;
	map->split = split;
	*out = map;
	return 0;
}

void imap_destroy(struct imap *map)
{
	if (!map)
		return;
	for (size_t i = 0; i < map->n_parts; i++)
		free(map->parts[i].chunk);
	free(map->parts);
	free(map);
}

size_t imap_count(const struct imap *map)
{
	return map->count;
}

struct imap_entry *imap_next(const struct imap *map, const struct imap_entry *entry)
{
	size_t at = imap_chunk_of(map, entry->first);
	struct imap_chunk *chunk = map->parts[at].chunk;
	ptrdiff_t slot = entry - chunk->entries;

	assert(slot >= 0 && slot < (ptrdiff_t)chunk->n); /* the map's own entry, not a copy */
	if (slot + 1 < (ptrdiff_t)chunk->n)
		return &chunk->entries[slot + 1];
	return at + 1 < map->n_parts ? &map->parts[at + 1].chunk->entries[0] : NULL;
}

struct imap_entry *imap_only_of_several(const struct imap *map, uint64_t first, uint64_t last)
{
	struct imap_entry *entry = imap_first_in(map, first, last);

	return !entry || entry->last >= last || !imap_first_in(map, entry->last + 1, last) ? entry
											   : NULL;
}

/* ---- chunks --------------------------------------------------------------------------------- */

/* Puts an empty chunk at position `at` of the list. */
static struct imap_chunk *add_chunk(struct imap *map, size_t at, uint64_t key)
{
	struct imap_chunk *chunk;

	if (map->n_parts == map->max_parts) {
		size_t max = map->max_parts ? map->max_parts * 2 : LIST_MIN;
		struct imap_part *parts = realloc(map->parts, max * sizeof *parts);

		if (!parts)
			return NULL;
		map->parts = parts;
		map->max_parts = max;
	}
	chunk = malloc(sizeof *chunk);
	if (!chunk)
		return NULL;
	chunk->n = 0;
	memmove(map->parts + at + 1, map->parts + at, (map->n_parts - at) * sizeof *map->parts);
	map->parts[at] = (struct imap_part){ key, chunk };
	map->n_parts++;
	return chunk;
}

static void drop_chunk(struct imap *map, size_t at)
{
	struct imap_part *parts = map->parts;

	free(parts[at].chunk);
	map->n_parts--;
	memmove(parts + at, parts + at + 1, (map->n_parts - at) * sizeof *parts);
	if (map->max_parts == LIST_MIN || map->n_parts >= map->max_parts / 4)
		return;
	parts = realloc(parts, map->max_parts / 2 * sizeof *parts);
	if (!parts)
		return; /* the longer list does as well */
	map->parts = parts;
	map->max_parts /= 2;
}

/* A full chunk gives its upper half to a chunk behind it. */
static int halve(struct imap *map, size_t at)
{
	struct imap_chunk *lower = map->parts[at].chunk;
	struct imap_chunk *upper = add_chunk(map, at + 1, lower->entries[CHUNK / 2].first);

	if (!upper)
		return -1;
	upper->n = lower->n = CHUNK / 2;
	memcpy(upper->entries, lower->entries + CHUNK / 2, sizeof upper->entries / 2);
	return 0;
}

/*
 * Room for an entry at a slot of a full chunk. Behind the last and before the first entry it
 * gets a chunk of its own: addresses that ascend or descend leave full chunks, not half-full ones.
 */
static int make_room(struct imap *map, uint64_t first, size_t *at, uint32_t *slot)
{
	if (*slot == CHUNK) {
		++*at;
		*slot = 0;
		return add_chunk(map, *at, first) ? 0 : -1;
	}
	if (*slot == 0) {
		if (!add_chunk(map, *at, map->parts[*at].key))
			return -1;
		map->parts[*at + 1].key = map->parts[*at + 1].chunk->entries[0].first;
		return 0;
	}
	if (halve(map, *at))
		return -1;
	if (*slot > CHUNK / 2) {
		++*at;
		*slot -= CHUNK / 2;
	}
	return 0;
}

/* Appends the chunk behind `at` to it. */
static void join(struct imap *map, size_t at)
{
	struct imap_chunk *lower = map->parts[at].chunk, *upper = map->parts[at + 1].chunk;

	memcpy(lower->entries + lower->n, upper->entries, upper->n * sizeof upper->entries[0]);
	lower->n += upper->n;
	drop_chunk(map, at + 1);
}

/* After a removal. An empty chunk that is the only one stays, for what comes next. */
static void settle_sparse(struct imap *map, size_t at)
{
	uint32_t n = map->parts[at].chunk->n;

	if (n == 0)
		drop_chunk(map, at);
	else if (at + 1 < map->n_parts && n + map->parts[at + 1].chunk->n <= JOINED)
		join(map, at);
	else if (at > 0 && map->parts[at - 1].chunk->n + n <= JOINED)
		join(map, at - 1);
}

static inline void settle(struct imap *map, size_t at)
{
	if (map->parts[at].chunk->n < SPARSE && map->n_parts > 1)
		settle_sparse(map, at);
}

/* ---- changes -------------------------------------------------------------------------------- */

/* Makes a place for an entry; all of it is the caller's to set. */
static inline struct imap_entry *put_entry(struct imap *map, size_t at, uint32_t slot,
					   uint64_t last)
{
	struct imap_chunk *chunk = map->parts[at].chunk;
	struct imap_entry *entry = &chunk->entries[slot];

	imap_move(entry + 1, entry, chunk->entries + chunk->n);
	chunk->n++;
	map->count++;
	/* reaches into the gap before the next chunk */
	if (at + 1 < map->n_parts && map->parts[at + 1].key <= last)
		map->parts[at + 1].key = last + 1;
	return entry;
}

/* At the place that a search for it has found. */
static inline struct imap_entry *insert_at(struct imap *map, size_t at, uint32_t slot,
					   uint64_t first, uint64_t last)
{
	struct imap_entry *entry;

	if (map->parts[at].chunk->n == CHUNK && make_room(map, first, &at, &slot))
		return NULL;
	entry = put_entry(map, at, slot, last);
	entry->first = first;
	entry->last = last;
	return entry;
}

struct imap_entry *imap_insert_among(struct imap *map, uint64_t first, uint64_t last)
{
	size_t at;

	if (!map->n_parts && !add_chunk(map, 0, 0))
		return NULL;
	at = imap_chunk_of(map, first);
	return insert_at(map, at, imap_slot_of(map->parts[at].chunk, first), first, last);
}

struct imap_entry *imap_claim_among(struct imap *map, uint64_t first, uint64_t last, bool *taken)
{
	const struct imap_chunk *chunk;
	const struct imap_entry *next = NULL;
	uint32_t slot;
	size_t at;

	*taken = false;
	if (!map->n_parts && !add_chunk(map, 0, 0))
		return NULL;
	at = imap_chunk_of(map, first);
	chunk = map->parts[at].chunk;
	slot = imap_slot_of(chunk, first);
	if (slot < chunk->n)
		next = &chunk->entries[slot];
	else if (at + 1 < map->n_parts)
		next = map->parts[at + 1].chunk->entries;
	*taken = next && next->first <= last;
	return *taken ? NULL : insert_at(map, at, slot, first, last);
}

/* The entry ends before `at` from now on; what began there is returned. */
static struct imap_entry take_right(const struct imap *map, struct imap_entry *entry, uint64_t at)
{
	struct imap_entry right = *entry;

	right.first = at;
	entry->last = at - 1;
	if (map->split)
		map->split(entry, &right);
	return right;
}

/* The entry that begins before addr and holds it; NULL: none; its chunk has room for one more. */
static int spanning(struct imap *map, uint64_t addr, struct imap_entry **entry, size_t *at,
		    uint32_t *slot)
{
	*entry = NULL;
	if (!imap_seek(map, addr, at, slot) || map->parts[*at].chunk->entries[*slot].first >= addr)
		return 0;
	if (map->parts[*at].chunk->n == CHUNK) {
		if (halve(map, *at))
			return -1;
		imap_seek(map, addr, at, slot);
	}
	*entry = &map->parts[*at].chunk->entries[*slot];
	return 0;
}

/* Makes addr the beginning of an entry if one spans it. */
static int split_at(struct imap *map, uint64_t addr)
{
	struct imap_entry *entry, right;
	uint32_t slot;
	size_t at;

	if (spanning(map, addr, &entry, &at, &slot))
		return -1;
	if (!entry)
		return 0;
	right = take_right(map, entry, addr);
	*put_entry(map, at, slot + 1, right.last) = right;
	return 0;
}

int imap_isolate(struct imap *map, uint64_t first, uint64_t last)
{
	if (split_at(map, first))
		return -1;
	return last == UINT64_MAX ? 0 : split_at(map, last + 1);
}

static inline void erase_at(struct imap *map, size_t at, struct imap_entry *entry)
{
	struct imap_chunk *chunk = map->parts[at].chunk;
	struct imap_entry *end = chunk->entries + chunk->n;

	assert(entry >= chunk->entries && entry < end); /* the map's own entry, not a copy */
	imap_move(entry, entry + 1, end);
	chunk->n--;
	map->count--;
	settle(map, at);
}

void imap_erase_among(struct imap *map, struct imap_entry *entry)
{
	erase_at(map, imap_chunk_of(map, entry->first), entry);
}

/* Who hears of what is cut. */
struct cutting {
	uint64_t first, last;
	int (*piece)(void *ctx, const struct imap_entry *piece);
	void *ctx;
	int answer; /* the first that was not 0 */
};

static inline void tell(struct cutting *cutting, const struct imap_entry *piece)
{
	int said = cutting->piece ? cutting->piece(cutting->ctx, piece) : 0;

	if (!cutting->answer)
		cutting->answer = said;
}

/* A hole in the middle of one entry, the only cut that needs memory. */
static int cut_hole(struct imap *map, struct cutting *cutting)
{
	struct imap_entry *entry, middle, right;
	uint32_t slot;
	size_t at;

	if (spanning(map, cutting->first, &entry, &at, &slot))
		return -1;
	assert(entry); /* the caller has seen it */
	middle = take_right(map, entry, cutting->first);
	right = take_right(map, &middle, cutting->last + 1);
	*put_entry(map, at, slot + 1, right.last) = right;
	tell(cutting, &middle);
	return cutting->answer;
}

/* Cuts what lies in one chunk, from an entry that begins inside; returns whether more may follow. */
static bool cut_chunk(struct imap *map, struct cutting *cutting, size_t at, uint32_t slot)
{
	struct imap_chunk *chunk = map->parts[at].chunk;
	struct imap_entry *entry = &chunk->entries[slot], *end = &chunk->entries[chunk->n];
	struct imap_entry head;
	uint32_t n = 0;
	bool more;

	for (; entry < end && entry->last <= cutting->last; entry++, n++)
		tell(cutting, entry);
	more = entry == end && at + 1 < map->n_parts;
	if (entry < end && entry->first <= cutting->last) {
		head = *entry;
		*entry = take_right(map, &head, cutting->last + 1);
		tell(cutting, &head);
	}
	if (!n)
		return more;
	imap_move(entry - n, entry, end);
	chunk->n -= n;
	map->count -= n;
	settle(map, at);
	return more;
}

/* From the entry at that place on, which is not just the range. */
static __attribute__((noinline)) int
cut_parts(struct imap *map, size_t at, uint32_t slot, uint64_t first, uint64_t last,
	  int (*piece)(void *ctx, const struct imap_entry *piece), void *ctx)
{
	struct cutting cutting = { .first = first, .last = last, .piece = piece, .ctx = ctx };
	struct imap_entry *entry = &map->parts[at].chunk->entries[slot], right;

	if (entry->first < first) {
		if (entry->last > last)
			return cut_hole(map, &cutting);
		right = take_right(map, entry, first);
		tell(&cutting, &right);
		if (++slot == map->parts[at].chunk->n) {
			slot = 0;
			at++;
		}
		if (at == map->n_parts)
			return cutting.answer;
	}
	while (cut_chunk(map, &cutting, at, slot) && imap_seek(map, first, &at, &slot))
		;
	return cutting.answer;
}

int imap_cut(struct imap *map, uint64_t first, uint64_t last,
	     int (*piece)(void *ctx, const struct imap_entry *piece), void *ctx)
{
	struct imap_entry *entry;
	uint32_t slot;
	size_t at;
	int answer;

	if (!imap_seek(map, first, &at, &slot))
		return 0;
	entry = &map->parts[at].chunk->entries[slot];
	if (entry->first > last)
		return 0;
	if (entry->first != first || entry->last != last)
		return cut_parts(map, at, slot, first, last, piece, ctx);
	answer = piece ? piece(ctx, entry) : 0;
	erase_at(map, at, entry);
	return answer;
}
