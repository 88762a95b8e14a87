/* The TLB against a slow list of copies, each set in explicit order of use. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

#include "hw/tlb.h"
#include "traces/rng.h"

enum { ENTRIES_MAX = 128 * 8, SPACES = 12, SIZES = 3, ADDRESS_BITS = 48 };

static const uint8_t sizes[SIZES] = { 12, 21, 30 };

/* ---- the model ---------------------------------------------------------------------------------- */

struct model_copy {
	uint64_t tag, data, filled, changed, serial;
	iova_t first;
	uint32_t space;
	uint8_t lg2, reasons;
	bool visited;
};

struct model {
	uint64_t sets, ways, replacement, serial;
	/* of a set: the most recently used (FIFO: filled) first */
	struct {
		uint64_t n;
		struct model_copy *copies;
	} * in;
	uint64_t count;
	/* sizes that have copies, that which got its first copy first in front */
	uint8_t order[SIZES];
	unsigned n_order;
};

static struct model *model_create(const struct tlb_geometry *geometry)
{
	struct model *model = calloc(1, sizeof *model);

	cr_assert_not_null(model);
	model->sets = geometry->sets;
	model->ways = geometry->ways;
	model->replacement = geometry->replacement;
	model->in = calloc(model->sets, sizeof *model->in);
	cr_assert_not_null(model->in);
	for (uint64_t set = 0; set < model->sets; set++) {
		/* one more: a fill puts in before it takes out */
		model->in[set].copies = calloc(model->ways + 1, sizeof(struct model_copy));
		cr_assert_not_null(model->in[set].copies);
	}
	return model;
}

static void model_destroy(struct model *model)
{
	for (uint64_t set = 0; set < model->sets; set++)
		free(model->in[set].copies);
	free(model->in);
	free(model);
}

static uint64_t model_set(const struct model *model, iova_t iova, unsigned lg2)
{
	return (iova >> lg2) % model->sets;
}

static struct model_copy *model_find(struct model *model, uint64_t tag, iova_t iova, unsigned lg2)
{
	uint64_t set = model_set(model, iova, lg2);

	for (uint64_t i = 0; i < model->in[set].n; i++) {
		struct model_copy *copy = &model->in[set].copies[i];

		if (copy->tag == tag && copy->lg2 == lg2 && copy->first == (iova >> lg2 << lg2))
			return copy;
	}
	return NULL;
}

static uint64_t model_of_size(const struct model *model, unsigned lg2)
{
	uint64_t n = 0;

	for (uint64_t set = 0; set < model->sets; set++)
		for (uint64_t i = 0; i < model->in[set].n; i++)
			n += model->in[set].copies[i].lg2 == lg2;
	return n;
}

static void forget_size(struct model *model, unsigned lg2)
{
	unsigned i = 0;

	if (model_of_size(model, lg2))
		return;
	while (i < model->n_order && model->order[i] != lg2)
		i++;
	cr_assert(i < model->n_order);
	memmove(&model->order[i], &model->order[i + 1], --model->n_order - i);
}

static void model_remove(struct model *model, uint64_t set, uint64_t i)
{
	struct model_copy *copies = model->in[set].copies;
	unsigned lg2 = copies[i].lg2;

	memmove(&copies[i], &copies[i + 1], (--model->in[set].n - i) * sizeof *copies);
	model->count--;
	forget_size(model, lg2);
}

static void to_front(struct model *model, uint64_t set, uint64_t i)
{
	struct model_copy *copies = model->in[set].copies, copy = copies[i];

	memmove(&copies[1], &copies[0], i * sizeof *copies);
	copies[0] = copy;
}

/* The copy that a lookup finds, which is then the most recently used. */
static struct model_copy *model_lookup(struct model *model, uint64_t tag, iova_t iova)
{
	for (unsigned s = 0; s < model->n_order; s++) {
		struct model_copy *copy = model_find(model, tag, iova, model->order[s]);
		uint64_t set = model_set(model, iova, model->order[s]);

		if (!copy)
			continue;
		if (model->replacement != TLB_LRU)
			return copy;
		to_front(model, set, (uint64_t)(copy - model->in[set].copies));
		return &model->in[set].copies[0];
	}
	return NULL;
}

/* Random replacement: which copy had to go is what the TLB did, if it may. */
static uint64_t random_victim(struct model *model, uint64_t set, const struct tlb *tlb)
{
	for (uint64_t i = 0; i < model->in[set].n; i++) {
		const struct model_copy *copy = &model->in[set].copies[i];
		struct tlb_at at;

		if (!tlb_at(tlb, copy->tag, copy->first, copy->lg2, &at))
			return i;
	}
	cr_assert(false, "nothing went from a full set");
	return 0;
}

/*
 * After the TLB took the copy; false: nothing had to go. The new copy goes in first: a size whose
 * only copy is replaced by one of the same size keeps its place in the order of sizes.
 */
static bool model_fill(struct model *model, const struct model_copy *copy, const struct tlb *tlb,
		       struct model_copy *gone)
{
	uint64_t set = model_set(model, copy->first, copy->lg2), n = model->in[set].n, victim;

	if (!model_of_size(model, copy->lg2))
		model->order[model->n_order++] = copy->lg2;
	model->in[set].copies[n] = *copy;
	model->in[set].copies[n].serial = ++model->serial;
	model->in[set].n++;
	model->count++;
	to_front(model, set, n);
	if (n < model->ways)
		return false;
	victim = model->replacement == TLB_RANDOM ? random_victim(model, set, tlb) : n;
	*gone = model->in[set].copies[victim];
	model_remove(model, set, victim);
	return true;
}

/* ---- both at once --------------------------------------------------------------------------------- */

struct bench {
	struct model *model;
	struct tlb *tlb;
	struct rng rng;
	uint64_t pages, step;
	uint64_t hits, misses, evictions, removals;
	struct tlb_note note;
	uint64_t noted; /* copies that were found by it alone */
	/* of the visit under way */
	struct tlb_scope scope;
	uint64_t visits;
};

static void expect_copy(const struct bench *bench, const struct tlb_at *at,
			const struct model_copy *copy)
{
	cr_assert_eq(*at->data, copy->data);
	cr_assert_eq(at->copy->filled, copy->filled);
	cr_assert_eq(at->copy->serial, copy->serial);
	cr_assert_eq(at->copy->space, copy->space);
	cr_assert_eq(at->copy->page_lg2, copy->lg2);
	cr_assert_eq(at->copy->reasons, copy->reasons);
	cr_assert_eq(tlb_first(bench->tlb, at), copy->first);
	cr_assert_eq(tlb_last(bench->tlb, at), copy->first + page_mask(copy->lg2));
	cr_assert_eq(tlb_tag_of(bench->tlb, at), copy->tag);
	if (copy->data & TLB_CHECK)
		cr_assert_eq(*at->changed, copy->changed);
}

static void look_up(struct bench *bench, uint64_t tag, iova_t iova)
{
	/* the usual size is a hint that never decides */
	unsigned usual = sizes[rng_below(&bench->rng, SIZES)];
	struct model_copy *copy = model_lookup(bench->model, tag, iova);
	struct tlb_hit hit = { 0 };
	uint64_t data = tlb_lookup(bench->tlb, usual, tag, iova, &hit);

	cr_assert_eq(data != 0, copy != NULL, "step %lu", (unsigned long)bench->step);
	if (copy) {
		struct tlb_at at = tlb_at_way(hit.way);

		cr_assert_eq(data, copy->data, "step %lu", (unsigned long)bench->step);
		cr_assert_eq(hit.page_lg2, copy->lg2);
		expect_copy(bench, &at, copy);
		bench->hits++;
	} else {
		bench->misses++;
	}
}

/* One page, by the note of where the last one was. */
static void look_up_noted(struct bench *bench, uint64_t tag, iova_t iova, unsigned lg2)
{
	struct model_copy *copy = model_find(bench->model, tag, iova, lg2);
	uint64_t set = model_set(bench->model, iova, lg2);
	const struct tlb_way *before = bench->note.way;
	struct tlb_way *way =
		tlb_use_noted(bench->tlb, tag << bench->tlb->tag_shift, iova, lg2, &bench->note);

	cr_assert_eq(way != NULL, copy != NULL, "step %lu", (unsigned long)bench->step);
	if (!copy)
		return;
	to_front(bench->model, set, (uint64_t)(copy - bench->model->in[set].copies));
	expect_copy(bench, &(struct tlb_at){ &way->key, &way->data, &way->copy, &way->changed },
		    &bench->model->in[set].copies[0]);
	bench->noted += way == before;
}

static void fill(struct bench *bench, uint64_t tag, iova_t iova, unsigned lg2)
{
	uint32_t reasons = rng_percent(&bench->rng, 30) ? CHECK_UPDATE : 0;
	struct model_copy gone, copy = { .tag = tag,
					 .first = iova >> lg2 << lg2,
					 .lg2 = (uint8_t)lg2,
					 .reasons = (uint8_t)reasons,
					 .filled = bench->step,
					 .changed = rng_next(&bench->rng),
					 .space = 1 + rng_below(&bench->rng, SPACES - 1) };
	struct tlb_copy told = { .filled = copy.filled,
				 .space = copy.space,
				 .reasons = copy.reasons,
				 .page_lg2 = copy.lg2 };
	struct tlb_evicted evicted;
	struct tlb_at at;

	copy.data =
		(rng_next(&bench->rng) & 0xffffffff000ull) | TLB_READ | (reasons ? TLB_CHECK : 0);
	at = tlb_fill(bench->tlb, tag, iova, copy.data, &told, copy.changed, &evicted);
	copy.data |= TLB_VALID;
	cr_assert_eq(evicted.data != 0, model_fill(bench->model, &copy, bench->tlb, &gone),
		     "step %lu", (unsigned long)bench->step);
	copy.serial = bench->model->serial;
	expect_copy(bench, &at, &copy);
	if (!evicted.data)
		return;
	bench->evictions++;
	cr_assert_eq(evicted.data, gone.data, "step %lu", (unsigned long)bench->step);
	if (gone.data & TLB_CHECK) {
		struct tlb_at was = { &evicted.key, &evicted.data, &evicted.copy,
				      &evicted.changed };

		expect_copy(bench, &was, &gone);
	}
}

static bool in_scope(const struct tlb_scope *scope, const struct model_copy *copy)
{
	return (scope->any_tag || copy->tag == scope->tag) &&
	       (!scope->space || copy->space == scope->space) && copy->first <= scope->last &&
	       copy->first + page_mask(copy->lg2) >= scope->first;
}

/* Whether a visit removes is decided by the copy, so that model and TLB agree on it. */
static bool goes(const struct model_copy *copy)
{
	return copy->serial % 3 == 0;
}

static bool visit(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	struct bench *bench = ctx;
	struct model_copy *copy = model_find(bench->model, tlb_tag_of(tlb, at), tlb_first(tlb, at),
					     at->copy->page_lg2);

	cr_assert(copy && !copy->visited && in_scope(&bench->scope, copy));
	expect_copy(bench, at, copy);
	copy->visited = true;
	bench->visits++;
	/* what a visitor may change */
	*at->data ^= TLB_SNOOP;
	copy->data ^= TLB_SNOOP;
	return goes(copy);
}

/* The model's part of a visit that is over: all in scope were seen; some of them go. */
static uint64_t model_visited(struct bench *bench)
{
	struct model *model = bench->model;
	uint64_t removed = 0;

	for (uint64_t set = 0; set < model->sets; set++) {
		for (uint64_t i = model->in[set].n; i-- > 0;) {
			struct model_copy *copy = &model->in[set].copies[i];

			cr_assert_eq(copy->visited, in_scope(&bench->scope, copy), "step %lu",
				     (unsigned long)bench->step);
			copy->visited = false;
			if (!in_scope(&bench->scope, copy) || !goes(copy))
				continue;
			model_remove(model, set, i);
			removed++;
		}
	}
	return removed;
}

static void visit_scope(struct bench *bench, uint64_t tag, iova_t iova)
{
	struct rng *rng = &bench->rng;
	uint64_t removed;

	bench->scope =
		(struct tlb_scope){ .any_tag = rng_percent(rng, 20),
				    .tag = tag,
				    .space = rng_percent(rng, 30) ? rng_below(rng, SPACES) : 0,
				    .first = iova,
				    .last = iova };
	switch (rng_below(rng, 8)) {
	case 0:
		bench->scope.first = 0;
		bench->scope.last = UINT64_MAX;
		break;
	case 1:
		bench->scope.last = low_mask(ADDRESS_BITS);
		break;
	case 2:
		bench->scope.last += rng_below(rng, 1 << 25);
		break;
	default:
		bench->scope.last += rng_below(rng, 1 << 14);
	}
	bench->visits = 0;
	removed = tlb_visit(bench->tlb, &bench->scope, visit, bench);
	cr_assert_eq(removed, model_visited(bench), "step %lu", (unsigned long)bench->step);
	bench->removals += removed;
}

static void check_counts(const struct bench *bench)
{
	uint64_t by_space[SPACES + 1] = { 0 };
	const struct model *model = bench->model;

	cr_assert_eq(bench->tlb->count, model->count);
	for (uint64_t set = 0; set < model->sets; set++) {
		for (uint64_t i = 0; i < model->in[set].n; i++) {
			const struct model_copy *copy = &model->in[set].copies[i];
			struct tlb_at at;

			by_space[copy->space]++;
			cr_assert(tlb_at(bench->tlb, copy->tag, copy->first, copy->lg2, &at));
			expect_copy(bench, &at, copy);
		}
	}
	for (uint32_t space = 1; space <= SPACES; space++)
		cr_assert(tlb_may_hold(bench->tlb, space) || !by_space[space]);
}

/* Addresses of few pages of each size, some of them under one another, at both ends of the space. */
static iova_t some_iova(struct bench *bench)
{
	uint64_t page = rng_below(&bench->rng, (uint32_t)bench->pages);
	unsigned lg2 = sizes[rng_below(&bench->rng, 8) % SIZES];
	iova_t iova = (page << lg2) + rng_below(&bench->rng, 4096);

	if (rng_percent(&bench->rng, 10))
		iova = low_mask(ADDRESS_BITS) - iova;
	return iova & low_mask(ADDRESS_BITS);
}

static void one_step(struct bench *bench)
{
	/* the largest tag that fits is one of them */
	uint64_t tag = rng_percent(&bench->rng, 5) ? low_mask(64 - (ADDRESS_BITS - 11)) - 1
						   : rng_below(&bench->rng, 3);
	uint32_t what = rng_below(&bench->rng, 100);
	iova_t iova = some_iova(bench);
	unsigned lg2 = sizes[rng_below(&bench->rng, 4) % SIZES];

	if (what < 20 && bench->tlb->plain_stamps)
		look_up_noted(bench, tag, iova, lg2);
	else if (what < 50)
		look_up(bench, tag, iova);
	else if (what >= 96)
		visit_scope(bench, tag, iova);
	else if (!model_find(bench->model, tag, iova, lg2))
		fill(bench, tag, iova, lg2);
}

struct tlb_case {
	uint64_t sets, ways, replacement, pages, steps;
	bool seldom_filled;
};

ParameterizedTestParameters(tlb, agrees_with_a_list_of_copies)
{
	static struct tlb_case cases[] = {
		{ 1, 1, TLB_LRU, 4, 20000, false },	 { 1, 16, TLB_LRU, 12, 40000, false },
		{ 128, 8, TLB_LRU, 2000, 40000, false }, { 3, 5, TLB_LRU, 16, 40000, false },
		{ 1, 40, TLB_LRU, 40, 40000, false },	 { 4, 3, TLB_LRU, 10, 40000, false },
		{ 5, 33, TLB_LRU, 120, 20000, false },	 { 1, 1, TLB_FIFO, 4, 20000, false },
		{ 1, 16, TLB_FIFO, 12, 40000, false },	 { 128, 8, TLB_FIFO, 2000, 40000, false },
		{ 3, 5, TLB_FIFO, 16, 40000, false },	 { 1, 40, TLB_FIFO, 40, 40000, false },
		{ 1, 1, TLB_RANDOM, 4, 20000, false },	 { 1, 16, TLB_RANDOM, 12, 20000, false },
		{ 3, 5, TLB_RANDOM, 16, 20000, false },	 { 1, 40, TLB_RANDOM, 40, 20000, false },
		{ 8, 4, TLB_RANDOM, 40, 20000, false },	 { 1, 16, TLB_LRU, 12, 40000, true },
		{ 16, 4, TLB_LRU, 60, 40000, true },	 { 3, 5, TLB_LRU, 16, 40000, true },
		{ 1, 16, TLB_FIFO, 12, 20000, true },
	};
	return cr_make_param_array(struct tlb_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct tlb_case *c, tlb, agrees_with_a_list_of_copies)
{
	struct tlb_geometry geometry = { .sets = c->sets,
					 .ways = c->ways,
					 .replacement = c->replacement,
					 .page_lg2 = { 12, 21, 30 },
					 .address_bits = ADDRESS_BITS,
					 .seldom_filled = c->seldom_filled,
					 .seed = 5 };
	struct bench bench = { .rng = rng_seed(c->sets * 64 + c->ways), .pages = c->pages };

	cr_assert_eq(tlb_create(&geometry, "test", &bench.tlb, NULL), 0);
	cr_assert_eq(tlb_know_space(bench.tlb, SPACES), 0);
	bench.model = model_create(&geometry);
	for (bench.step = 1; bench.step <= c->steps; bench.step++) {
		one_step(&bench);
		if (bench.step % 100 == 0)
			check_counts(&bench);
	}
	check_counts(&bench);
	/* a test in which nothing happens would pass too */
	cr_expect(bench.hits > c->steps / 50 && bench.misses > c->steps / 50 &&
			  bench.evictions > c->steps / 50 && bench.removals > 30,
		  "%lu x %lu: %lu hits, %lu misses, %lu evictions, %lu removals",
		  (unsigned long)c->sets, (unsigned long)c->ways, (unsigned long)bench.hits,
		  (unsigned long)bench.misses, (unsigned long)bench.evictions,
		  (unsigned long)bench.removals);
	cr_expect(bench.noted > 30 || !bench.tlb->plain_stamps);
	model_destroy(bench.model);
	tlb_destroy(bench.tlb);
}

static bool same_copies(const struct tlb *a, const struct tlb *b)
{
	bool same = true;

	for (uint64_t page = 0; page < 1000; page++) {
		struct tlb_at at;

		same &= tlb_at(a, 1, page << 12, 12, &at) == tlb_at(b, 1, page << 12, 12, &at);
	}
	return same;
}

Test(tlb, random_replacement_depends_on_the_seed_alone)
{
	struct tlb *tlbs[3];

	for (unsigned i = 0; i < 3; i++) {
		struct tlb_geometry geometry = { .sets = 4,
						 .ways = 8,
						 .replacement = TLB_RANDOM,
						 .page_lg2 = { 12 },
						 .address_bits = ADDRESS_BITS,
						 .seed = i == 2 ? 7 : 6 };
		struct tlb_copy copy = { .page_lg2 = 12 };
		struct tlb_evicted evicted;

		cr_assert_eq(tlb_create(&geometry, "test", &tlbs[i], NULL), 0);
		for (uint64_t page = 0; page < 1000; page++)
			tlb_fill(tlbs[i], 1, page << 12, TLB_READ, &copy, 0, &evicted);
	}
	cr_expect(same_copies(tlbs[0], tlbs[1]));
	cr_expect(!same_copies(tlbs[0], tlbs[2]));
	for (unsigned i = 0; i < 3; i++)
		tlb_destroy(tlbs[i]);
}

struct refused_case {
	uint64_t sets, ways;
};

ParameterizedTestParameters(tlb, impossible_geometries_are_refused)
{
	static struct refused_case cases[] = { { 0, 1 },
					       { 1, 0 },
					       { 1, TLB_WAYS_MAX + 1 },
					       { TLB_ENTRIES_MAX + 1, 1 },
					       { TLB_ENTRIES_MAX / 2 + 1, 2 },
					       { UINT64_MAX, 2 } };

	return cr_make_param_array(struct refused_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct refused_case *c, tlb, impossible_geometries_are_refused)
{
	struct tlb_geometry geometry = { .sets = c->sets, .ways = c->ways, .address_bits = 48 };
	struct err err = { 0 };
	struct tlb *tlb;

	cr_expect_eq(tlb_create(&geometry, "IOTLB", &tlb, &err), -1);
	cr_expect_eq(err.code, ERR_CONFIG);
	cr_expect(strstr(err.text, "IOTLB") != NULL, "%s", err.text);
	tlb_destroy(NULL);
}
