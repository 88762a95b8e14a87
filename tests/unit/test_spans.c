/* Ranges that may overlap, against lists of notes for every single page. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>

#include "sim/spans.h"
#include "traces/rng.h"

enum { SPACE = 256, NOTES = 12 };

struct page_note {
	uint32_t key;
	uint64_t data;
	bool seen; /* by the visit that is under way */
};

struct model {
	uint64_t base; /* address of page 0; a page is one address */
	struct {
		unsigned n;
		struct page_note notes[NOTES];
	} pages[SPACE];
};

static struct page_note *note_at(struct model *model, unsigned page, uint32_t key, uint64_t data)
{
	for (unsigned i = 0; i < model->pages[page].n; i++) {
		struct page_note *note = &model->pages[page].notes[i];

		if (note->key == key && note->data == data)
			return note;
	}
	return NULL;
}

static void model_drop(struct model *model, unsigned page, struct page_note *note)
{
	*note = model->pages[page].notes[--model->pages[page].n];
}

/* ---- visits: each note of each page in range once, in order of address ------------------------ */

struct visiting {
	struct model *model;
	uint64_t first, last; /* of the call */
	uint64_t at;	      /* first address of the stretch before */
	unsigned calls;
	bool isolated; /* stretches end at first and last */
	struct rng *rng;
};

static void begin_visit(struct visiting *visiting)
{
	for (unsigned page = 0; page < SPACE; page++)
		for (unsigned i = 0; i < visiting->model->pages[page].n; i++)
			visiting->model->pages[page].notes[i].seen = false;
}

static void end_visit(const struct visiting *visiting)
{
	const struct model *model = visiting->model;

	for (unsigned page = 0; page < SPACE; page++) {
		uint64_t address = model->base + page;
		bool in = address >= visiting->first && address <= visiting->last;

		for (unsigned i = 0; in && i < model->pages[page].n; i++)
			cr_assert(model->pages[page].notes[i].seen, "page %u: a note was left out",
				  page);
	}
}

static void check_stretch(struct visiting *visiting, uint64_t first, uint64_t last, uint32_t key,
			  uint64_t data)
{
	struct model *model = visiting->model;

	cr_assert(first <= last && first <= visiting->last && last >= visiting->first);
	cr_assert(!visiting->calls || first >= visiting->at, "in order of address");
	if (visiting->isolated)
		cr_assert(first >= visiting->first && last <= visiting->last);
	cr_assert(first >= model->base && last - model->base < SPACE);
	visiting->at = first;
	visiting->calls++;
	for (uint64_t address = first; address <= last; address++) {
		unsigned page = (unsigned)(address - model->base);
		struct page_note *note = note_at(model, page, key, data);

		cr_assert(note && !note->seen, "page %u", page);
		note->seen = true;
		if (address == UINT64_MAX)
			break;
	}
}

static void see(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t data)
{
	check_stretch(ctx, first, last, key, data);
}

/* A third of the notes go, a third change, a third stay. */
static bool change(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t *data)
{
	struct visiting *visiting = ctx;
	uint32_t what = rng_below(visiting->rng, 3);
	/* data that no other note has: a pair must stand once in a page */
	uint64_t now = rng_next(visiting->rng);

	check_stretch(visiting, first, last, key, *data);
	for (uint64_t address = first;; address++) {
		unsigned page = (unsigned)(address - visiting->model->base);
		struct page_note *note = note_at(visiting->model, page, key, *data);

		if (what == 0)
			model_drop(visiting->model, page, note);
		else if (what == 1)
			note->data = now;
		if (address == last)
			break;
	}
	if (what == 1)
		*data = now;
	return what != 0;
}

static void check_each(struct spans *spans, struct model *model, uint64_t first, uint64_t last)
{
	struct visiting visiting = { .model = model, .first = first, .last = last };

	begin_visit(&visiting);
	spans_each(spans, first, last, see, &visiting);
	end_visit(&visiting);
}

/* ---- changes ------------------------------------------------------------------------------------ */

static void random_add(struct spans *spans, struct model *model, unsigned first, unsigned last,
		       uint32_t key, uint64_t data)
{
	for (unsigned page = first; page <= last; page++)
		if (model->pages[page].n == NOTES || note_at(model, page, key, data))
			return;
	cr_assert_eq(spans_add(spans, model->base + first, model->base + last, key, data), 0);
	for (unsigned page = first; page <= last; page++)
		model->pages[page].notes[model->pages[page].n++] =
			(struct page_note){ key, data, false };
}

static void random_remove(struct spans *spans, struct model *model, unsigned first, unsigned last,
			  uint32_t key, uint64_t data)
{
	spans_remove(spans, model->base + first, model->base + last, key, data);
	for (unsigned page = first; page <= last; page++) {
		struct page_note *note = note_at(model, page, key, data);

		if (note)
			model_drop(model, page, note);
	}
}

static void random_update(struct spans *spans, struct model *model, struct rng *rng, unsigned first,
			  unsigned last)
{
	struct visiting visiting = { .model = model,
				     .first = model->base + first,
				     .last = model->base + last,
				     .isolated = true,
				     .rng = rng };
	unsigned notes = 0;

	for (unsigned page = first; page <= last; page++)
		notes += model->pages[page].n;
	begin_visit(&visiting);
	cr_assert_eq(spans_update(spans, visiting.first, visiting.last, change, &visiting), 0);
	cr_assert_eq(visiting.calls == 0, notes == 0);
}

struct random_case {
	uint64_t base, seed;
	uint32_t span; /* the longest range */
};

ParameterizedTestParameters(spans, random_changes_agree_with_a_list_for_every_page)
{
	static struct random_case cases[] = {
		{ 0, 1, 3 },
		{ 0, 2, 40 },
		{ UINT64_MAX - SPACE + 1, 3, 12 },
		{ UINT64_MAX - SPACE + 1, 4, 256 },
		{ 1ull << 40, 5, 100 },
	};
	return cr_make_param_array(struct random_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct random_case *c, spans, random_changes_agree_with_a_list_for_every_page)
{
	struct model *model = calloc(1, sizeof *model);
	struct rng rng = rng_seed(c->seed);
	struct spans *spans;

	cr_assert_not_null(model);
	cr_assert_eq(spans_create(&spans), 0);
	model->base = c->base;
	for (unsigned step = 0; step < 6000; step++) {
		unsigned first = rng_below(&rng, SPACE), n = 1 + rng_below(&rng, c->span);
		unsigned last = first + n > SPACE ? SPACE - 1 : first + n - 1;
		/* few pairs, so that removals meet what additions made */
		uint32_t key = rng_below(&rng, 3), kind = rng_below(&rng, 100);
		uint64_t data = rng_below(&rng, 4);

		if (kind < 55)
			random_add(spans, model, first, last, key, data);
		else if (kind < 90)
			random_remove(spans, model, first, last, key, data);
		else
			random_update(spans, model, &rng, first, last);
		check_each(spans, model, model->base + first, model->base + last);
		if (step % 50 == 0)
			check_each(spans, model, 0, UINT64_MAX);
	}
	check_each(spans, model, 0, UINT64_MAX);
	spans_destroy(spans);
	free(model);
}

static void count_calls(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t data)
{
	unsigned *calls = ctx;

	(void)first;
	(void)last;
	(void)key;
	(void)data;
	++*calls;
}

Test(spans, removing_what_is_not_there_changes_nothing)
{
	struct spans *spans;
	unsigned calls = 0;

	cr_assert_eq(spans_create(&spans), 0);
	spans_remove(spans, 0, UINT64_MAX, 1, 1);
	spans_each(spans, 0, UINT64_MAX, count_calls, &calls);
	cr_expect_eq(calls, 0);
	cr_assert_eq(spans_add(spans, 0, UINT64_MAX, 1, 1), 0);
	spans_remove(spans, 0, UINT64_MAX, 1, 2);
	spans_remove(spans, 0, UINT64_MAX, 2, 1);
	spans_each(spans, 0, UINT64_MAX, count_calls, &calls);
	cr_expect_eq(calls, 1);
	spans_remove(spans, 0, UINT64_MAX, 1, 1);
	spans_each(spans, 0, UINT64_MAX, count_calls, &calls);
	cr_expect_eq(calls, 1, "nothing is left");
	spans_destroy(spans);
	spans_destroy(NULL);
}
