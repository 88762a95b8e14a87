#include "sim/imap.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK = 64 };

struct chunk {
	uint32_t n;
	struct imap_entry entries[CHUNK];
};

struct imap {
	void (*split)(struct imap_entry *left, struct imap_entry *right);
	struct chunk **chunks; /* sorted, none empty */
	size_t n_chunks, max_chunks, count;
	struct chunk *spare; /* one emptied chunk, so that small maps do not go to the allocator */
};

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
	for (size_t i = 0; i < map->n_chunks; i++)
		free(map->chunks[i]);
	free(map->chunks);
	free(map->spare);
	free(map);
}

size_t imap_count(const struct imap *map)
{
	return map->count;
}

/* The last chunk whose first entry begins at or below addr, or 0. */
static size_t chunk_of(const struct imap *map, uint64_t addr)
{
	size_t low = 0, high = map->n_chunks;

	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		if (map->chunks[middle]->entries[0].first <= addr)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* The first entry of the chunk that ends at or after addr; chunk->n when there is none. */
static uint32_t slot_of(const struct chunk *chunk, uint64_t addr)
{
	uint32_t low = 0, high = chunk->n;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (chunk->entries[middle].last < addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Place of the lowest entry that ends at or after addr; false: none. */
static int seek(const struct imap *map, uint64_t addr, size_t *chunk, uint32_t *slot)
{
	if (!map->n_chunks)
		return 0;
	*chunk = chunk_of(map, addr);
	*slot = slot_of(map->chunks[*chunk], addr);
	if (*slot < map->chunks[*chunk]->n)
		return 1;
	++*chunk;
	*slot = 0;
	return *chunk < map->n_chunks;
}

struct imap_entry *imap_first_in(const struct imap *map, uint64_t first, uint64_t last)
{
	struct imap_entry *entry;
	size_t chunk;
	uint32_t slot;

	if (!seek(map, first, &chunk, &slot))
		return NULL;
	entry = &map->chunks[chunk]->entries[slot];
	return entry->first <= last ? entry : NULL;
}

struct imap_entry *imap_at(const struct imap *map, uint64_t addr)
{
	return imap_first_in(map, addr, addr);
}

struct imap_entry *imap_next(const struct imap *map, const struct imap_entry *entry)
{
	return entry->last == UINT64_MAX ? NULL : imap_first_in(map, entry->last + 1, UINT64_MAX);
}

static struct chunk *take_chunk(struct imap *map)
{
	struct chunk *chunk = map->spare;

	map->spare = NULL;
	if (!chunk)
		chunk = malloc(sizeof *chunk);
	if (chunk)
		chunk->n = 0;
	return chunk;
}

/* Puts an empty chunk at position `at` of the list. */
static struct chunk *add_chunk(struct imap *map, size_t at)
{
	struct chunk *chunk;

	if (map->n_chunks == map->max_chunks) {
		size_t max = map->max_chunks ? map->max_chunks * 2 : 4;
		struct chunk **chunks = realloc(map->chunks, max * sizeof *chunks);

		if (!chunks)
			return NULL;
		map->chunks = chunks;
		map->max_chunks = max;
	}
	chunk = take_chunk(map);
	if (!chunk)
		return NULL;
	memmove(map->chunks + at + 1, map->chunks + at, (map->n_chunks - at) * sizeof *map->chunks);
	map->chunks[at] = chunk;
	map->n_chunks++;
	return chunk;
}

static void remove_chunk(struct imap *map, size_t at)
{
	free(map->spare);
	map->spare = map->chunks[at];
	map->n_chunks--;
	memmove(map->chunks + at, map->chunks + at + 1, (map->n_chunks - at) * sizeof *map->chunks);
}

/* A full chunk gives its upper half to a chunk behind it. */
static int halve(struct imap *map, size_t at)
{
	struct chunk *upper = add_chunk(map, at + 1), *lower = map->chunks[at];

	if (!upper)
		return -1;
	upper->n = CHUNK / 2;
	lower->n = CHUNK - CHUNK / 2;
	memcpy(upper->entries, lower->entries + lower->n, upper->n * sizeof upper->entries[0]);
	return 0;
}

int imap_insert(struct imap *map, const struct imap_entry *entry)
{
	struct chunk *chunk;
	size_t at;
	uint32_t slot;

	if (!map->n_chunks && !add_chunk(map, 0))
		return -1;
	at = chunk_of(map, entry->first);
	if (map->chunks[at]->n == CHUNK) {
		if (halve(map, at))
			return -1;
		at = chunk_of(map, entry->first);
	}
	chunk = map->chunks[at];
	slot = slot_of(chunk, entry->first);
	memmove(chunk->entries + slot + 1, chunk->entries + slot, (chunk->n - slot) * sizeof *entry);
	chunk->entries[slot] = *entry;
	chunk->n++;
	map->count++;
	return 0;
}

/* Makes `at` the beginning of an entry if one spans it. */
static int split_at(struct imap *map, uint64_t at)
{
	struct imap_entry *left = at ? imap_at(map, at) : NULL, right, whole;

	if (!left || left->first == at)
		return 0;
	whole = *left;
	right = whole;
	right.first = at;
	left->last = at - 1;
	if (map->split)
		map->split(left, &right);
	if (imap_insert(map, &right) == 0)
		return 0;
	left = imap_at(map, whole.first);
	*left = whole;
	return -1;
}

int imap_isolate(struct imap *map, uint64_t first, uint64_t last)
{
	if (split_at(map, first))
		return -1;
	return last == UINT64_MAX ? 0 : split_at(map, last + 1);
}

static void remove_slots(struct imap *map, size_t at, uint32_t slot, uint32_t n)
{
	struct chunk *chunk = map->chunks[at];

	chunk->n -= n;
	map->count -= n;
	memmove(chunk->entries + slot, chunk->entries + slot + n,
		(chunk->n - slot) * sizeof chunk->entries[0]);
	if (!chunk->n)
		remove_chunk(map, at);
}

int imap_cut(struct imap *map, uint64_t first, uint64_t last,
	     int (*piece)(void *ctx, const struct imap_entry *piece), void *ctx)
{
	int answer = 0;
	size_t at;
	uint32_t slot;

	if (imap_isolate(map, first, last))
		return -1;
	while (seek(map, first, &at, &slot)) {
		const struct chunk *chunk = map->chunks[at];
		uint32_t n = 0;

		while (slot + n < chunk->n && chunk->entries[slot + n].first <= last) {
			int said = piece(ctx, &chunk->entries[slot + n]);

			answer = answer ? answer : said;
			n++;
		}
		if (!n)
			break;
		remove_slots(map, at, slot, n);
	}
	return answer;
}
