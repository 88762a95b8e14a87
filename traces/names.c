#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "traces/event.h"

/* native.md 5 */
enum { STRING_MAX = 4096, ENTRIES_MAX = 16 << 20 };
#define BYTES_MAX (256ull << 20)

/* Numbers by content: open addressing over entries that live elsewhere. */
struct index {
	uint32_t *buckets; /* number + 1; 0: empty */
	uint32_t n_buckets, n;
};

struct names {
	char **strings;
	uint32_t n_strings, max_strings;
	uint64_t bytes;
	struct index by_text;
	struct {
		uint32_t *strings; /* by number */
		uint32_t n, max;
		uint32_t *by_string; /* number + 1 by string */
		uint32_t max_by_string;
	} declared[NAME_TABLES];
	struct agent *agents;
	uint32_t n_agents, max_agents;
	struct index by_agent;
};

int names_create(struct names **out)
{
	struct names *names = calloc(1, sizeof *names);

	if (!names)
		return -1;
	*out = names;
	return 0;
}

void names_destroy(struct names *names)
{
	if (!names)
		return;
	for (uint32_t i = 0; i < names->n_strings; i++)
		free(names->strings[i]);
	for (int table = 0; table < NAME_TABLES; table++) {
		free(names->declared[table].strings);
		free(names->declared[table].by_string);
	}
	free(names->strings);
	free(names->by_text.buckets);
	free(names->agents);
	free(names->by_agent.buckets);
	free(names);
}

static uint64_t hash_bytes(const void *data, size_t length)
{
	const unsigned char *bytes = data;
	uint64_t hash = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ull;
	return hash ^ hash >> 29;
}

/* Room for one more in an array and its index; -1: no memory or limit. */
static int grow_array(void **array, uint32_t n, uint32_t *max, size_t size)
{
	uint32_t more = *max ? *max * 2 : 64;
	void *grown;

	if (n < *max)
		return 0;
	if (n >= ENTRIES_MAX)
		return -1;
	grown = realloc(*array, more * size);
	if (!grown)
		return -1;
	memset((char *)grown + *max * size, 0, (more - *max) * size);
	*array = grown;
	*max = more;
	return 0;
}

static void index_put(struct index *index, uint64_t hash, uint32_t number)
{
	uint32_t at = (uint32_t)hash & (index->n_buckets - 1);

	while (index->buckets[at])
		at = (at + 1) & (index->n_buckets - 1);
	index->buckets[at] = number + 1;
}

static int index_grow(struct index *index, uint64_t (*hash_of)(const struct names *, uint32_t),
		      const struct names *names)
{
	uint32_t n = index->n_buckets ? index->n_buckets * 2 : 128;
	uint32_t *buckets;

	if (index->n * 2 < index->n_buckets)
		return 0;
	buckets = calloc(n, sizeof *buckets);
	if (!buckets)
		return -1;
	free(index->buckets);
	index->buckets = buckets;
	index->n_buckets = n;
	for (uint32_t i = 0; i < index->n; i++)
		index_put(index, hash_of(names, i), i);
	return 0;
}

static uint64_t hash_of_string(const struct names *names, uint32_t number)
{
	return hash_bytes(names->strings[number], strlen(names->strings[number]));
}

static uint64_t hash_of_agent(const struct names *names, uint32_t number)
{
	return hash_bytes(&names->agents[number], sizeof names->agents[number]);
}

static uint32_t find_string(const struct names *names, const char *text, size_t length)
{
	const struct index *index = &names->by_text;
	uint32_t at;

	if (!index->n_buckets)
		return NAME_NONE;
	at = (uint32_t)hash_bytes(text, length) & (index->n_buckets - 1);
	for (; index->buckets[at]; at = (at + 1) & (index->n_buckets - 1)) {
		const char *held = names->strings[index->buckets[at] - 1];

		if (strlen(held) == length && !memcmp(held, text, length))
			return index->buckets[at] - 1;
	}
	return NAME_NONE;
}

uint32_t names_string(struct names *names, const char *text, size_t length)
{
	uint32_t number = find_string(names, text, length);
	char *copy;

	if (number != NAME_NONE)
		return number;
	if (length > STRING_MAX || names->bytes + length > BYTES_MAX || memchr(text, 0, length) ||
	    grow_array((void **)&names->strings, names->n_strings, &names->max_strings,
		       sizeof(char *)) ||
	    index_grow(&names->by_text, hash_of_string, names))
		return NAME_NONE;
	copy = malloc(length + 1);
	if (!copy)
		return NAME_NONE;
	memcpy(copy, text, length);
	copy[length] = 0;
	number = names->n_strings++;
	names->strings[number] = copy;
	names->bytes += length;
	names->by_text.n++;
	index_put(&names->by_text, hash_bytes(text, length), number);
	return number;
}

const char *names_text(const struct names *names, uint32_t string)
{
	return string < names->n_strings ? names->strings[string] : "";
}

uint32_t names_count(const struct names *names, enum name_table table)
{
	if (table == NAMES_STRINGS)
		return names->n_strings;
	return table == NAMES_AGENTS ? names->n_agents : names->declared[table].n;
}

uint32_t names_declare(struct names *names, enum name_table table, uint32_t string)
{
	uint32_t old;

	if (string >= names->n_strings)
		return NAME_NONE;
	while (string >= names->declared[table].max_by_string) {
		uint32_t n = names->declared[table].max_by_string;

		if (grow_array((void **)&names->declared[table].by_string, n,
			       &names->declared[table].max_by_string, sizeof(uint32_t)))
			return NAME_NONE;
	}
	if (names->declared[table].by_string[string] ||
	    grow_array((void **)&names->declared[table].strings, names->declared[table].n,
		       &names->declared[table].max, sizeof(uint32_t)))
		return NAME_NONE;
	old = names->declared[table].n++;
	names->declared[table].strings[old] = string;
	names->declared[table].by_string[string] = old + 1;
	return old;
}

uint32_t names_find(const struct names *names, enum name_table table, const char *text,
		    size_t length)
{
	uint32_t string = find_string(names, text, length);

	if (string == NAME_NONE || string >= names->declared[table].max_by_string)
		return NAME_NONE;
	return names->declared[table].by_string[string] - 1;
}

uint32_t names_string_of(const struct names *names, enum name_table table, uint32_t number)
{
	return number < names->declared[table].n ? names->declared[table].strings[number]
						 : NAME_NONE;
}

const char *names_of(const struct names *names, enum name_table table, uint32_t number)
{
	uint32_t string = names_string_of(names, table, number);

	return string == NAME_NONE ? "?" : names_text(names, string);
}

uint32_t names_agent(struct names *names, struct agent agent)
{
	struct index *index = &names->by_agent;
	uint64_t hash = hash_bytes(&agent, sizeof agent);
	uint32_t number;

	if (index->n_buckets) {
		uint32_t at = (uint32_t)hash & (index->n_buckets - 1);

		for (; index->buckets[at]; at = (at + 1) & (index->n_buckets - 1))
			if (!memcmp(&names->agents[index->buckets[at] - 1], &agent, sizeof agent))
				return index->buckets[at] - 1;
	}
	if (grow_array((void **)&names->agents, names->n_agents, &names->max_agents,
		       sizeof agent) ||
	    index_grow(index, hash_of_agent, names))
		return EVENT_NO_AGENT;
	number = names->n_agents++;
	names->agents[number] = agent;
	index->n++;
	index_put(index, hash, number);
	return number;
}

struct agent names_agent_of(const struct names *names, uint32_t number)
{
	if (number < names->n_agents)
		return names->agents[number];
	return (struct agent){ NAME_NONE, NAME_NONE, PASID_NONE };
}

/* Edit distance, rows of at most 64 characters; longer words are not compared. */
static unsigned distance(const char *a, size_t n, const char *b, size_t m)
{
	unsigned row[65];

	if (n > 64 || m > 64)
		return 64;
	for (size_t j = 0; j <= m; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned corner = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned best = corner + (a[i - 1] != b[j - 1]);

			corner = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[m];
}

const char *nearest_word(const char *text, size_t length,
			 const char *(*candidate)(const void *ctx, uint32_t i), const void *ctx)
{
	unsigned limit = length / 3 > 2 ? (unsigned)(length / 3) : 2, best = limit + 1;
	const char *nearest = NULL, *word;

	for (uint32_t i = 0; (word = candidate(ctx, i)); i++) {
		unsigned d = distance(text, length, word, strlen(word));

		if (d < best && d < strlen(word)) {
			best = d;
			nearest = word;
		}
	}
	return nearest;
}
