#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "sim/imap.h"
#include "traces/rng.h"

/* value[0] goes on from left to right, as a physical address does; value[1] stays. */
static void go_on(struct imap_entry *left, struct imap_entry *right)
{
	right->value[0] += right->first - left->first;
}

static struct imap *map_of(void)
{
	struct imap *map = NULL;

	cr_assert_eq(imap_create(go_on, &map), 0);
	return map;
}

static void add(struct imap *map, uint64_t first, uint64_t last, uint64_t value)
{
	struct imap_entry *entry = imap_insert(map, first, last);

	cr_assert_not_null(entry);
	entry->value[0] = entry->value[1] = value;
	entry->value[2] = 0;
}

static int ignore(void *ctx, const struct imap_entry *piece)
{
	(void)ctx;
	(void)piece;
	return 0;
}

/* What a cut handed out. */
struct pieces {
	size_t n;
	struct imap_entry items[64];
};

static int collect(void *ctx, const struct imap_entry *piece)
{
	struct pieces *pieces = ctx;

	if (pieces->n < 64)
		pieces->items[pieces->n] = *piece;
	pieces->n++;
	return 0;
}

static void expect_entry(const struct imap_entry *entry, uint64_t first, uint64_t last,
			 uint64_t value)
{
	cr_assert_not_null(entry);
	cr_expect_eq(entry->first, first);
	cr_expect_eq(entry->last, last);
	cr_expect_eq(entry->value[0], value);
}

Test(imap, an_empty_map_holds_nothing)
{
	struct imap *map = map_of();

	cr_expect_null(imap_at(map, 0));
	cr_expect_null(imap_first_in(map, 0, UINT64_MAX));
	cr_expect_eq(imap_cut(map, 0, UINT64_MAX, ignore, NULL), 0);
	cr_expect_eq(imap_isolate(map, 0, UINT64_MAX), 0);
	cr_expect_eq(imap_isolate(map, 5, 7), 0);
	cr_expect_eq(imap_count(map), 0);
	imap_destroy(map);
	imap_destroy(NULL);
}

Test(imap, entries_come_in_order_of_address)
{
	struct imap *map = map_of();
	const struct imap_entry *entry;

	add(map, 30, 39, 3);
	add(map, 10, 19, 1);
	add(map, 20, 29, 2);
	expect_entry(imap_at(map, 10), 10, 19, 1);
	expect_entry(imap_at(map, 29), 20, 29, 2);
	cr_expect_null(imap_at(map, 9));
	cr_expect_null(imap_at(map, 40));
	entry = imap_first_in(map, 0, 10);
	expect_entry(entry, 10, 19, 1);
	entry = imap_next(map, entry);
	expect_entry(entry, 20, 29, 2);
	entry = imap_next(map, entry);
	expect_entry(entry, 30, 39, 3);
	cr_expect_null(imap_next(map, entry));
	cr_expect_null(imap_first_in(map, 0, 9));
	cr_expect_null(imap_first_in(map, 40, UINT64_MAX));
	imap_destroy(map);
}

Test(imap, one_entry_spans_the_whole_space)
{
	struct imap *map = map_of();
	struct pieces pieces = { 0 };

	add(map, 0, UINT64_MAX, 0);
	cr_expect_null(imap_next(map, imap_at(map, UINT64_MAX)));
	cr_expect_eq(imap_cut(map, 100, 199, collect, &pieces), 0);
	cr_expect_eq(pieces.n, 1);
	expect_entry(&pieces.items[0], 100, 199, 100);
	expect_entry(imap_at(map, 0), 0, 99, 0);
	expect_entry(imap_at(map, UINT64_MAX), 200, UINT64_MAX, 200);
	cr_expect_null(imap_at(map, 150));
	cr_expect_eq(imap_cut(map, 0, UINT64_MAX, collect, &pieces), 0);
	cr_expect_eq(pieces.n, 3);
	cr_expect_eq(imap_count(map), 0);
	imap_destroy(map);
}

Test(imap, the_first_and_the_last_address_are_ordinary)
{
	struct imap *map = map_of();
	struct pieces pieces = { 0 };

	add(map, 0, 0, 1);
	add(map, UINT64_MAX, UINT64_MAX, 2);
	expect_entry(imap_at(map, 0), 0, 0, 1);
	expect_entry(imap_at(map, UINT64_MAX), UINT64_MAX, UINT64_MAX, 2);
	expect_entry(imap_next(map, imap_at(map, 0)), UINT64_MAX, UINT64_MAX, 2);
	cr_expect_eq(imap_isolate(map, 0, 0), 0);
	cr_expect_eq(imap_isolate(map, UINT64_MAX, UINT64_MAX), 0);
	cr_expect_eq(imap_count(map), 2);
	cr_expect_eq(imap_cut(map, UINT64_MAX, UINT64_MAX, collect, &pieces), 0);
	cr_expect_eq(imap_cut(map, 0, 0, collect, &pieces), 0);
	cr_expect_eq(pieces.n, 2);
	cr_expect_eq(imap_count(map), 0);
	imap_destroy(map);
}

struct cut_case {
	char name[40];
	uint64_t first, last;
	uint64_t n_pieces, n_left;
	uint64_t piece_first, piece_last; /* of the first piece */
};

/* In a map of [10,19] [20,29] [40,49]. */
ParameterizedTestParameters(imap, a_cut_takes_exactly_its_range)
{
	static struct cut_case cases[] = {
		{ "nothing below", 0, 9, 0, 3, 0, 0 },
		{ "nothing in the gap", 30, 39, 0, 3, 0, 0 },
		{ "nothing above", 50, UINT64_MAX, 0, 3, 0, 0 },
		{ "one whole", 20, 29, 1, 2, 20, 29 },
		{ "one and gaps around it", 30, 60, 1, 2, 40, 49 },
		{ "the beginning of one", 5, 12, 1, 3, 10, 12 },
		{ "the end of one", 45, 60, 1, 3, 45, 49 },
		{ "the middle of one", 13, 15, 1, 4, 13, 15 },
		{ "one address", 10, 10, 1, 3, 10, 10 },
		{ "two and part of a third", 10, 44, 3, 1, 10, 19 },
		{ "parts of two", 15, 24, 2, 3, 15, 19 },
		{ "everything", 0, UINT64_MAX, 3, 0, 10, 19 },
	};
	return cr_make_param_array(struct cut_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct cut_case *c, imap, a_cut_takes_exactly_its_range)
{
	struct imap *map = map_of();
	struct pieces pieces = { 0 };

	add(map, 10, 19, 1000);
	add(map, 20, 29, 2000);
	add(map, 40, 49, 3000);
	cr_expect_eq(imap_cut(map, c->first, c->last, collect, &pieces), 0);
	cr_expect_eq(pieces.n, c->n_pieces, "%s", c->name);
	cr_expect_eq(imap_count(map), c->n_left, "%s", c->name);
	cr_expect_null(imap_first_in(map, c->first, c->last), "%s", c->name);
	if (pieces.n) {
		cr_expect_eq(pieces.items[0].first, c->piece_first, "%s", c->name);
		cr_expect_eq(pieces.items[0].last, c->piece_last, "%s", c->name);
	}
	imap_destroy(map);
}

static int say_last(void *ctx, const struct imap_entry *piece)
{
	(void)ctx;
	return piece->first == 10 ? 0 : (int)piece->first;
}

Test(imap, the_first_answer_other_than_0_is_passed_on_after_all_pieces)
{
	struct imap *map = map_of();

	add(map, 10, 19, 0);
	add(map, 20, 29, 0);
	add(map, 30, 39, 0);
	cr_expect_eq(imap_cut(map, 0, 100, say_last, NULL), 20);
	cr_expect_eq(imap_count(map), 0);
	imap_destroy(map);
}

Test(imap, isolate_makes_boundaries_and_takes_nothing)
{
	struct imap *map = map_of();

	add(map, 0, 99, 500);
	cr_expect_eq(imap_isolate(map, 20, 29), 0);
	cr_expect_eq(imap_count(map), 3);
	expect_entry(imap_at(map, 0), 0, 19, 500);
	expect_entry(imap_at(map, 20), 20, 29, 520);
	expect_entry(imap_at(map, 99), 30, 99, 530);
	cr_expect_eq(imap_isolate(map, 20, 29), 0);
	cr_expect_eq(imap_count(map), 3);
	imap_destroy(map);
}

Test(imap, without_a_split_callback_values_are_copied)
{
	struct imap *map;

	cr_assert_eq(imap_create(NULL, &map), 0);
	add(map, 0, 9, 7);
	cr_expect_eq(imap_cut(map, 4, 5, NULL, NULL), 0);
	expect_entry(imap_at(map, 9), 6, 9, 7);
	imap_destroy(map);
}

/* ---- against a model that knows every address by itself --------------------------------------- */

enum { SPACE = 4096 };

/* Which insertion owns the address, or 0, and its value there. */
struct model {
	uint32_t owner[SPACE];
	uint64_t value[SPACE];
	bool begins[SPACE]; /* an entry begins here */
	uint64_t base;	    /* address of number 0 */
};

static size_t model_count(const struct model *model)
{
	size_t n = 0;

	for (unsigned i = 0; i < SPACE; i++)
		n += model->owner[i] && model->begins[i];
	return n;
}

/* The end of the entry that holds address i. */
static unsigned model_end(const struct model *model, unsigned i)
{
	while (i + 1 < SPACE && model->owner[i + 1] && !model->begins[i + 1])
		i++;
	return i;
}

static void model_cut_edges(struct model *model, unsigned first, unsigned last)
{
	if (model->owner[first])
		model->begins[first] = true;
	if (last + 1 < SPACE && model->owner[last + 1])
		model->begins[last + 1] = true;
}

struct clearing {
	struct model *model;
	unsigned bytes;
};

/* A removed piece is what the model holds there; then the model forgets it. */
static int clear_piece(void *ctx, const struct imap_entry *piece)
{
	struct clearing *clearing = ctx;
	struct model *model = clearing->model;
	unsigned first = (unsigned)(piece->first - model->base),
		 last = (unsigned)(piece->last - model->base);

	cr_assert(first <= last && last < SPACE);
	cr_assert(model->begins[first] && model_end(model, first) == last);
	cr_assert_eq(piece->value[0], model->value[first]);
	cr_assert_eq(piece->value[1], model->owner[first]);
	for (unsigned i = first; i <= last; i++)
		model->owner[i] = 0;
	clearing->bytes += last - first + 1;
	return 0;
}

static void random_cut(struct imap *map, struct model *model, unsigned first, unsigned last)
{
	struct clearing clearing = { model, 0 };
	unsigned expected = 0;

	for (unsigned i = first; i <= last; i++)
		expected += model->owner[i] != 0;
	model_cut_edges(model, first, last);
	cr_assert_eq(imap_cut(map, model->base + first, model->base + last, clear_piece, &clearing),
		     0);
	cr_assert_eq(clearing.bytes, expected);
}

/* A new entry, claimed if the number is odd; what is there already is cut away first. */
static struct imap_entry *place_of(struct imap *map, struct model *model, unsigned first,
				   unsigned last, uint32_t number)
{
	struct imap_entry *entry;
	bool taken = false, expected = false;

	for (unsigned i = first; i <= last; i++)
		expected |= model->owner[i] != 0;
	if (number & 1) {
		entry = imap_claim(map, model->base + first, model->base + last, &taken);
		cr_assert_eq(taken, expected);
		cr_assert_eq(entry == NULL, taken);
		if (entry)
			return entry;
	}
	if (expected)
		random_cut(map, model, first, last);
	return imap_insert(map, model->base + first, model->base + last);
}

static void random_insert(struct imap *map, struct model *model, struct rng *rng, unsigned first,
			  unsigned last, uint32_t number)
{
	uint64_t value = rng_next(rng);
	struct imap_entry *entry = place_of(map, model, first, last, number);

	cr_assert_not_null(entry);
	cr_assert_eq(entry->first, model->base + first);
	cr_assert_eq(entry->last, model->base + last);
	entry->value[0] = value;
	entry->value[1] = number;
	entry->value[2] = 0;
	for (unsigned i = first; i <= last; i++) {
		model->owner[i] = number;
		model->value[i] = value + (i - first);
		model->begins[i] = i == first;
	}
	if (last + 1 < SPACE && model->owner[last + 1])
		model->begins[last + 1] = true;
}

/* The lowest entry of the range goes as a whole. */
static void random_erase(struct imap *map, struct model *model, unsigned first, unsigned last)
{
	struct imap_entry *entry = imap_first_in(map, model->base + first, model->base + last);

	if (!entry)
		return;
	first = (unsigned)(entry->first - model->base);
	last = (unsigned)(entry->last - model->base);
	cr_assert(model->begins[first] && model_end(model, first) == last);
	for (unsigned i = first; i <= last; i++)
		model->owner[i] = 0;
	imap_erase(map, entry);
}

static void check_lookups(struct imap *map, const struct model *model)
{
	const struct imap_entry *entry = imap_first_in(map, 0, UINT64_MAX), *prior = NULL;
	size_t n = 0;

	for (unsigned i = 0; i < SPACE; i++) {
		const struct imap_entry *at = imap_at(map, model->base + i);

		cr_assert_eq(at != NULL, model->owner[i] != 0);
		if (at)
			cr_assert(at->value[1] == model->owner[i] &&
				  at->value[0] + (model->base + i - at->first) == model->value[i]);
	}
	for (; entry; prior = entry, entry = imap_next(map, entry), n++) {
		unsigned first = (unsigned)(entry->first - model->base);

		cr_assert(entry->first <= entry->last && (!prior || prior->last < entry->first));
		cr_assert(model->begins[first] &&
			  model_end(model, first) == entry->last - model->base);
	}
	cr_assert_eq(n, imap_count(map));
	cr_assert_eq(n, model_count(model));
}

struct random_case {
	uint64_t base, seed;
	uint32_t span; /* the longest range */
};

ParameterizedTestParameters(imap, random_changes_agree_with_a_map_of_single_addresses)
{
	static struct random_case cases[] = {
		{ 0, 1, 4 },
		{ 0, 2, 300 },
		{ 0, 3, 4096 },
		{ UINT64_MAX - SPACE + 1, 4, 4 },
		{ UINT64_MAX - SPACE + 1, 5, 300 },
		{ 1ull << 47, 6, 40 },
	};
	return cr_make_param_array(struct random_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct random_case *c, imap, random_changes_agree_with_a_map_of_single_addresses)
{
	struct model *model = calloc(1, sizeof *model);
	struct rng rng = rng_seed(c->seed);
	struct imap *map = map_of();

	cr_assert_not_null(model);
	model->base = c->base;
	for (uint32_t step = 1; step < 30000; step++) {
		/* now and then much goes, so that the map shrinks and grows again */
		bool sweep = rng_below(&rng, 4000) == 0;
		uint32_t kind = sweep ? 99 : rng_below(&rng, step % 8000 < 4000 ? 78 : 120);
		uint32_t first = rng_below(&rng, SPACE),
			 n = sweep ? SPACE : 1 + rng_below(&rng, c->span);
		uint32_t last = first + n > SPACE ? SPACE - 1 : first + n - 1;

		if (kind < 55) {
			random_insert(map, model, &rng, first, last, step);
		} else if (kind < 65) {
			model_cut_edges(model, first, last);
			cr_assert_eq(imap_isolate(map, c->base + first, c->base + last), 0);
		} else if (kind < 75) {
			random_erase(map, model, first, last);
		} else {
			random_cut(map, model, first, last);
		}
		if (step % 500 == 0 || step < 100)
			check_lookups(map, model);
	}
	random_cut(map, model, 0, SPACE - 1);
	check_lookups(map, model);
	imap_destroy(map);
	free(model);
}

/* ---- many entries ------------------------------------------------------------------------------ */

struct order_case {
	char name[16];
	uint64_t step; /* coprime to the number of entries; entry i comes as number i * step */
};

enum { MANY = 100000 };

ParameterizedTestParameters(imap, many_entries_come_and_go_in_any_order)
{
	static struct order_case cases[] = { { "ascending", 1 },
					     { "descending", MANY - 1 },
					     { "mixed", 61803 } };

	return cr_make_param_array(struct order_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct order_case *c, imap, many_entries_come_and_go_in_any_order)
{
	struct imap *map = map_of();
	const struct imap_entry *entry;
	uint64_t n = 0;

	for (uint64_t i = 0; i < MANY; i++) {
		uint64_t number = i * c->step % MANY;

		add(map, number * 8192, number * 8192 + 4095, number);
	}
	cr_expect_eq(imap_count(map), MANY);
	for (entry = imap_first_in(map, 0, UINT64_MAX); entry; entry = imap_next(map, entry), n++)
		cr_assert_eq(entry->value[0], n);
	cr_expect_eq(n, MANY);
	for (uint64_t i = 0; i < MANY; i++) {
		uint64_t number = (i + 17) * c->step % MANY;

		cr_assert_eq(imap_cut(map, number * 8192, number * 8192 + 4095, ignore, NULL), 0);
		cr_assert_null(imap_at(map, number * 8192));
	}
	cr_expect_eq(imap_count(map), 0);
	imap_destroy(map);
}
