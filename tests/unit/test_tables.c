/* The table graph: what a changed word means is compared with walking down from every root. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

#include "hw/tables.h"
#include "traces/rng.h"

#define LIMIT (1ull << 30)

/*
 * A format for the tests: word 0 is absent, bit 0 set points to a table where there is a level
 * below, else it is a leaf; bit 8 means nothing.
 */
enum { POINTER = 1 << 0, LEAF = 1 << 1, IGNORED = 1 << 8 };

static struct entry_view page_view(const uint64_t *words, unsigned level);

static const struct table_role page_role = { .name = "test page table",
					     .unit_lg2 = 12,
					     .index_bits = 9,
					     .meaning = ~(uint64_t)IGNORED,
					     .view = page_view };

static struct entry_view page_view(const uint64_t *words, unsigned level)
{
	if (words[0] == 0)
		return (struct entry_view){ .kind = ENTRY_ABSENT };
	if (level && (words[0] & POINTER))
		return (struct entry_view){ .kind = ENTRY_TABLE,
					    .child = bits_at(words[0], 51, 12),
					    .role = &page_role,
					    .level = (uint8_t)(level - 1) };
	return (struct entry_view){ .kind = ENTRY_LEAF };
}

/* Entries of two words, the first as above: the page tables of a device. */
static struct entry_view device_view(const uint64_t *words, unsigned level)
{
	(void)level;
	if (!(words[0] & POINTER))
		return (struct entry_view){ .kind = ENTRY_ABSENT };
	return (struct entry_view){ .kind = ENTRY_TABLE,
				    .child = bits_at(words[0], 51, 12),
				    .role = &page_role,
				    .level = 2 };
}

static const struct table_role device_role = { .name = "test device table",
					       .words_lg2 = 1,
					       .configuration = true,
					       .meaning = UINT64_MAX,
					       .view = device_view };

static struct memory *memory;
static struct tables *tables;

static void set_up(void)
{
	cr_assert_eq(memory_create(LIMIT, &memory, NULL), 0);
	cr_assert_eq(tables_create(memory, &tables, NULL), 0);
}

static void tear_down(void)
{
	tables_destroy(tables);
	memory_destroy(memory);
}

static void store(pa_t pa, uint64_t value)
{
	cr_assert_eq(tables_store(tables, pa, 1, value, 0, NULL), 0);
}

static void expect_change(uint32_t n, uint32_t space, unsigned level, uint64_t first, uint64_t last)
{
	const struct table_change *change = &tables->changes[n];

	cr_assert_lt(n, tables->n_changes);
	cr_expect_eq(change->space, space);
	cr_expect_eq(change->level, level);
	cr_expect_eq(change->first, first, "first 0x%llx", (unsigned long long)change->first);
	cr_expect_eq(change->last, last, "last 0x%llx", (unsigned long long)change->last);
}

TestSuite(tables, .init = set_up, .fini = tear_down);

Test(tables, only_what_was_present_and_means_something_is_an_update)
{
	tables_root(tables, 0x1000, &page_role, 0, NULL);
	store(0x1018, 0x5000 | LEAF);
	cr_expect_eq(tables->n_changes, 0, "absent before");
	store(0x1018, 0x5000 | LEAF | IGNORED);
	cr_expect_eq(tables->n_changes, 0, "an ignored bit");
	store(0x1018, 0x5000 | LEAF | IGNORED);
	cr_expect_eq(tables->n_changes, 0, "the same word");
	store(0x1018, 0x6000 | LEAF);
	cr_expect_eq(tables->n_changes, 1);
	expect_change(0, 1, 0, 0x3000, 0x3fff);
	cr_expect_eq(tables->changes[0].word, 0x1018);
	cr_expect_eq(tables->changes[0].old, 0x5000 | LEAF | IGNORED);
	cr_expect_eq(tables->changes[0].now, 0x6000 | LEAF);
	cr_expect_not(tables->changes[0].pointer);
	store(0x8000, 7);
	store(0x8000, 0);
	cr_expect_eq(tables->n_changes, 0, "no table");
	cr_expect_eq(tables->stores, 6);
}

Test(tables, neighbours_are_one_change_and_a_gap_makes_two)
{
	tables_root(tables, 0x1000, &page_role, 0, NULL);
	cr_assert_eq(tables_store(tables, 0x1000, 8, 0x10000 | LEAF, 0x1000, NULL), 0);
	cr_expect_eq(tables->n_changes, 0);
	store(0x1018, 0);
	cr_assert_eq(tables_store(tables, 0x1000, 512, 0, 0, NULL), 0);
	cr_assert_eq(tables->n_changes, 2);
	expect_change(0, 1, 0, 0, 0x2fff);
	expect_change(1, 1, 0, 0x4000, 0x7fff);
	cr_expect_eq(tables->changes[1].word, 0x1020, "the first word of this part");
	cr_expect_eq(tables->changes[1].old, 0x14000 | LEAF);
}

Test(tables, a_root_below_another_root_changes_both)
{
	tables_root(tables, 0x1000, &page_role, 1, NULL);
	tables_root(tables, 0x2000, &page_role, 0, NULL);
	store(0x1000 + 8 * 3, 0x2000 | POINTER);
	store(0x2008, 0x5000 | LEAF);
	store(0x2008, 0);
	cr_assert_eq(tables->n_changes, 2);
	expect_change(0, 1, 0, 3 * 0x200000 + 0x1000, 3 * 0x200000 + 0x1fff);
	expect_change(1, 2, 0, 0x1000, 0x1fff);
}

Test(tables, a_table_that_two_spaces_share_changes_both)
{
	tables_root(tables, 0x1000, &page_role, 1, NULL);
	tables_root(tables, 0x2000, &page_role, 1, NULL);
	store(0x1000 + 8 * 3, 0x9000 | POINTER);
	store(0x2000 + 8 * 5, 0x9000 | POINTER);
	store(0x2000 + 8 * 6, 0x9000 | POINTER);
	store(0x9008, 0x5000 | LEAF);
	store(0x9008, 0);
	cr_assert_eq(tables->n_changes, 3);
	expect_change(0, 1, 0, 3 * 0x200000 + 0x1000, 3 * 0x200000 + 0x1fff);
	expect_change(1, 2, 0, 5 * 0x200000 + 0x1000, 5 * 0x200000 + 0x1fff);
	expect_change(2, 2, 0, 6 * 0x200000 + 0x1000, 6 * 0x200000 + 0x1fff);
	store(0x1000 + 8 * 3, 0);
	cr_assert_eq(tables->n_changes, 1);
	expect_change(0, 1, 1, 3 * 0x200000, 4 * 0x200000 - 1);
	cr_expect(tables->changes[0].pointer);
	store(0x2000 + 8 * 5, 0);
	store(0x9008, 0x5000 | LEAF);
	store(0x9008, 0);
	cr_assert_eq(tables->n_changes, 1, "one link is left");
	expect_change(0, 2, 0, 6 * 0x200000 + 0x1000, 6 * 0x200000 + 0x1fff);
	store(0x2000 + 8 * 6, 0);
	store(0x9008, 0x5000 | LEAF);
	store(0x9008, 0);
	cr_expect_eq(tables->n_changes, 0, "none is left");
}

Test(tables, a_frame_that_is_linked_late_brings_what_it_holds)
{
	/* built from the bottom, as drivers do */
	store(0x9000, 0x5000 | LEAF);
	store(0x8000 + 8 * 2, 0x9000 | POINTER);
	tables_root(tables, 0x1000, &page_role, 2, NULL);
	store(0x1000 + 8 * 1, 0x8000 | POINTER);
	cr_expect_eq(tables->n_changes, 0);
	store(0x9000, 0x6000 | LEAF);
	cr_assert_eq(tables->n_changes, 1);
	expect_change(0, 1, 0, 0x40000000 + 2 * 0x200000, 0x40000000 + 2 * 0x200000 + 0xfff);
	/* tables_root() after the words are there is the same */
	store(0xa000 + 8 * 4, 0x9000 | POINTER);
	tables_root(tables, 0xa000, &page_role, 1, NULL);
	store(0x9000, 0x7000 | LEAF);
	cr_assert_eq(tables->n_changes, 2);
	expect_change(1, 2, 0, 4 * 0x200000, 4 * 0x200000 + 0xfff);
}

Test(tables, what_a_device_entry_points_to_is_a_space_of_its_own)
{
	tables_root(tables, 0x1000, &device_role, 0, NULL);
	store(0x1000 + 16 * 7, 0x2000 | POINTER);
	store(0x1000 + 16 * 9, 0x2000 | POINTER);
	store(0x2000, 0x40000000 | LEAF);
	store(0x2000, 0);
	cr_assert_eq(tables->n_changes, 1, "once, however many devices use it");
	expect_change(0, 2, 2, 0, 0x3fffffff);
	cr_expect_not(tables->changes[0].configuration);
	store(0x1000 + 16 * 7 + 8, 0x55);
	cr_assert_eq(tables->n_changes, 1, "the second word is part of the entry");
	expect_change(0, 1, 0, 7, 7);
	cr_expect(tables->changes[0].configuration && tables->changes[0].pointer);
	store(0x1000 + 16 * 7, 0);
	store(0x1000 + 16 * 9, 0);
	store(0x2000, 0x40000000 | LEAF);
	store(0x2000, 0);
	cr_expect_eq(tables->n_changes, 1, "a root stays one: caches may hold its space");
}

Test(tables, a_table_at_two_levels_changes_all_that_it_may_reach)
{
	tables_root(tables, 0x1000, &page_role, 2, NULL);
	tables_root(tables, 0x2000, &page_role, 1, NULL);
	store(0x1000 + 8 * 1, 0x9000 | POINTER); /* as level 1 */
	store(0x2000 + 8 * 1, 0x9000 | POINTER); /* as level 0 */
	store(0x9000, 0x5000 | LEAF);
	store(0x9000, 0);
	cr_assert_eq(tables->n_changes, 2);
	expect_change(0, 1, 2, 0x40000000, 0x7fffffff);
	expect_change(1, 2, 1, 0x200000, 0x3fffff);
	cr_expect(tables->changes[0].pointer && tables->changes[1].pointer);
}

Test(tables, a_pointer_beyond_memory_links_nothing)
{
	tables_root(tables, 0x1000, &page_role, 1, NULL);
	store(0x1000, LIMIT | POINTER);
	cr_expect_eq(memory_frames(memory), 1);
	store(0x1000, 0);
	cr_assert_eq(tables->n_changes, 1);
	cr_expect(tables->changes[0].pointer);
}

Test(tables, a_table_that_points_to_itself_ends_the_climb)
{
	tables_root(tables, 0x1000, &page_role, 2, NULL);
	store(0x1000, 0x9000 | POINTER);
	store(0x9000 + 8 * 3, 0x9000 | POINTER);
	store(0x9000, 0x5000 | LEAF);
	store(0x9000, 0);
	cr_assert_geq(tables->n_changes, 1);
	expect_change(0, 1, 2, 0, 0x3fffffff);
}

Test(tables, more_paths_than_can_be_followed_are_an_error)
{
	struct err err = { 0 };

	tables_root(tables, 0x1000, &page_role, 2, NULL);
	store(0x1000, 0x9000 | POINTER);
	for (unsigned i = 1; i < FRAME_WORDS; i++)
		store(0x9000 + 8 * i, 0x9000 | POINTER);
	store(0x9000, 0x5000 | LEAF);
	cr_expect_eq(tables_store(tables, 0x9000, 1, 0, 0, &err), -1);
	cr_expect_eq(err.code, ERR_LIMIT);
	cr_expect(strstr(err.text, "0x9000") != NULL, "%s", err.text);
	cr_expect_eq(tables_where(tables, 0x9000, 0, &err), -1);
	/* what has few paths goes on */
	store(0x1008, 0x5000 | LEAF);
	store(0x1008, 0);
	cr_expect_eq(tables->n_changes, 1);
}

Test(tables, where_tells_without_writing)
{
	uint64_t value;

	tables_root(tables, 0x1000, &page_role, 1, NULL);
	store(0x1000 + 8 * 3, 0x9000 | POINTER);
	cr_assert_eq(tables_where(tables, 0x9010, 0x7000 | LEAF, NULL), 0);
	cr_assert_eq(tables->n_changes, 1, "even where the word is absent");
	expect_change(0, 1, 0, 3 * 0x200000 + 0x2000, 3 * 0x200000 + 0x2fff);
	cr_expect_eq(tables->changes[0].word, 0x9010);
	cr_expect_eq(tables->changes[0].old, 0);
	cr_expect_eq(tables->changes[0].now, 0x7000 | LEAF);
	cr_expect(memory_read(memory, 0x9010, &value) && value == 0);
	cr_assert_eq(tables_where(tables, 0x5000, 1, NULL), 0);
	cr_expect_eq(tables->n_changes, 0, "no table");
}

Test(tables, a_page_is_given_back_once)
{
	struct frame *frame = tables_root(tables, 0x1000, &page_role, 0, NULL);

	cr_expect_eq(frame->node.freed, 0);
	tables_free(tables, 0x1000, 41);
	tables_free(tables, 0x1000, 50);
	cr_expect_eq(frame->node.freed, 42);
	tables_free(tables, 0x7000, 5);
	cr_expect_eq(memory_frames(memory), 1, "a page that is no frame is left alone");
}

/* ---- random stores, against walking down from every root --------------------------------------- */

/* Frame 0 is the device table; the others have a level. */
enum { TOPS = 3, FRAMES = 1 + TOPS + 4 + 4, CORNER = 6 };

struct model {
	uint64_t words[FRAMES][FRAME_WORDS];
	bool is_table[FRAMES]; /* a table points to it, or did once */
	uint32_t space[FRAMES];
	uint32_t spaces;
	struct table_change expected[4096];
	uint32_t n_expected;
};

static unsigned level_of(unsigned frame)
{
	if (frame == 0 || frame > TOPS + 4)
		return 0;
	return frame <= TOPS ? 2 : 1;
}

static pa_t pa_of(unsigned frame)
{
	return 0x100000 + frame * 0x1000ull;
}

static const struct table_role *role_of(unsigned frame)
{
	return frame ? &page_role : &device_role;
}

static unsigned entries_of(unsigned frame)
{
	return (unsigned)FRAME_WORDS >> role_of(frame)->words_lg2;
}

static struct entry_view model_view(const struct model *model, unsigned frame, unsigned entry)
{
	const struct table_role *role = role_of(frame);

	return role->view(&model->words[frame][entry << role->words_lg2], level_of(frame));
}

/* The frame that an entry points to; 0: none. */
static unsigned child_of(const struct model *model, unsigned frame, unsigned entry)
{
	struct entry_view view = model_view(model, frame, entry);

	return view.kind == ENTRY_TABLE ? (unsigned)((view.child - pa_of(0)) >> 12) : 0u;
}

static void model_reach(struct model *model, unsigned frame)
{
	model->is_table[frame] = true;
	for (unsigned entry = 0; entry < entries_of(frame); entry++) {
		unsigned child = child_of(model, frame, entry);

		if (!child)
			continue;
		if (frame == 0 && !model->space[child])
			model->space[child] = ++model->spaces;
		if (!model->is_table[child])
			model_reach(model, child);
	}
}

/* All input ranges of entries [first, last] of `wanted` below `frame`, whose input is at base. */
static void walk_down(struct model *model, unsigned frame, uint64_t base, uint32_t space,
		      unsigned wanted, unsigned first, unsigned last)
{
	unsigned span = role_span_lg2(role_of(frame), level_of(frame));

	if (frame == wanted) {
		cr_assert_lt(model->n_expected, 4096);
		model->expected[model->n_expected++] = (struct table_change){
			.space = space,
			.first = base + ((uint64_t)first << span),
			.last = base + ((uint64_t)(last + 1) << span) - 1,
		};
		return;
	}
	for (unsigned entry = 0; frame && entry < FRAME_WORDS; entry++)
		if (child_of(model, frame, entry))
			walk_down(model, child_of(model, frame, entry),
				  base + ((uint64_t)entry << span), space, wanted, first, last);
}

static void expect_range(struct model *model, unsigned frame, unsigned first, unsigned last)
{
	for (unsigned root = 0; root <= TOPS; root++)
		if (model->space[root])
			walk_down(model, root, 0, model->space[root], frame, first, last);
}

/* Entry by entry: what the store should report, while the words are still the old ones. */
static void model_store(struct model *model, unsigned frame, unsigned index, unsigned count,
			uint64_t base, uint64_t step)
{
	const struct table_role *role = role_of(frame);
	int first = -1, last = -1;

	model->n_expected = 0;
	for (unsigned i = 0; i < count; i++) {
		uint64_t *word = &model->words[frame][index + i], value = base + i * step;
		unsigned entry = (index + i) >> role->words_lg2;
		bool update = model_view(model, frame, entry).kind != ENTRY_ABSENT &&
			      ((*word ^ value) & role->meaning);

		*word = value;
		if (!update || !model->is_table[frame])
			continue;
		if (first >= 0 && (int)entry > last + 1) {
			expect_range(model, frame, (unsigned)first, (unsigned)last);
			first = -1;
		}
		if (first < 0)
			first = (int)entry;
		last = (int)entry;
	}
	if (first >= 0)
		expect_range(model, frame, (unsigned)first, (unsigned)last);
	/* a table stays one when its last link is cut, and goes on making tables */
	if (model->is_table[frame])
		model_reach(model, frame);
}

static int by_place(const void *a, const void *b)
{
	const struct table_change *x = a, *y = b;

	if (x->space != y->space)
		return x->space < y->space ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

static void check_changes(struct model *model, unsigned step)
{
	cr_assert_eq(tables->n_changes, model->n_expected, "step %u: %u changes, expected %u", step,
		     tables->n_changes, model->n_expected);
	if (!model->n_expected)
		return;
	qsort(tables->changes, tables->n_changes, sizeof *tables->changes, by_place);
	qsort(model->expected, model->n_expected, sizeof *model->expected, by_place);
	for (uint32_t i = 0; i < model->n_expected; i++) {
		cr_assert_eq(tables->changes[i].space, model->expected[i].space, "step %u", step);
		cr_assert_eq(tables->changes[i].first, model->expected[i].first, "step %u", step);
		cr_assert_eq(tables->changes[i].last, model->expected[i].last, "step %u", step);
	}
}

/* Every live word of a table that points to a table is one link of it. */
static void check_links(const struct model *model)
{
	uint32_t links[FRAMES] = { 0 };

	for (unsigned frame = 0; frame < FRAMES; frame++)
		for (unsigned entry = 0; model->is_table[frame] && entry < entries_of(frame);
		     entry++)
			links[child_of(model, frame, entry)]++;
	for (unsigned frame = 1; frame < FRAMES; frame++) {
		const struct frame *held = memory_frame(memory, pa_of(frame));

		if (!held)
			continue;
		cr_assert_eq(held->node.n_links, links[frame]);
		cr_assert_eq(held->node.role != NULL, model->is_table[frame]);
		cr_assert_eq(held->node.space, model->space[frame]);
	}
}

static uint64_t some_word(struct rng *rng, unsigned frame, unsigned index)
{
	unsigned level = frame ? level_of(frame) : 3;
	unsigned below = level == 3   ? 1 + rng_below(rng, TOPS)
			 : level == 2 ? 1 + TOPS + rng_below(rng, 4)
				      : 1 + TOPS + 4 + rng_below(rng, 4);

	if (frame == 0 && (index & 1))
		return rng_below(rng, 3);
	switch (rng_below(rng, 4)) {
	case 0:
		return 0;
	case 1:
		/* a device entry that is no pointer is absent, and its low word stays empty */
		return frame ? 0x10000ull | LEAF | (rng_percent(rng, 50) ? IGNORED : 0) : 0;
	default:
		return level ? pa_of(below) | POINTER : 0x20000ull | LEAF;
	}
}

ParameterizedTestParameters(tables, random_stores_agree_with_walks_from_every_root)
{
	static uint64_t seeds[] = { 1, 2, 3, 4 };

	return cr_make_param_array(uint64_t, seeds, sizeof seeds / sizeof seeds[0]);
}

ParameterizedTest(uint64_t *seed, tables, random_stores_agree_with_walks_from_every_root)
{
	struct model *model = calloc(1, sizeof *model);
	struct rng rng = rng_seed(*seed);
	uint64_t changes = 0, shared = 0;

	cr_assert_not_null(model);
	tables_root(tables, pa_of(0), &device_role, 0, NULL);
	model->space[0] = ++model->spaces;
	model->is_table[0] = true;
	for (unsigned step = 0; step < 1500; step++) {
		unsigned frame = rng_below(&rng, FRAMES);
		/* corners at both ends of a frame, so that words are changed often */
		unsigned index = rng_below(&rng, CORNER), count = 1;
		uint64_t base = some_word(&rng, frame, index), by = 0;

		if (rng_percent(&rng, 20))
			index += FRAME_WORDS - CORNER;
		/* runs of leaves and of nothing, as maps and unmaps are */
		if (frame && rng_percent(&rng, 30) && !(level_of(frame) && (base & POINTER))) {
			unsigned room = FRAME_WORDS - index;

			count = 1 + rng_below(&rng, room < CORNER ? room : CORNER);
			by = base ? 0x1000 : 0;
		}
		model_store(model, frame, index, count, base, by);
		cr_assert_eq(tables_store(tables, pa_of(frame) + index * 8, count, base, by, NULL),
			     0);
		check_changes(model, step);
		check_links(model);
		changes += tables->n_changes > 0;
		shared += tables->n_changes > 1;
	}
	cr_expect(changes > 100 && shared > 50, "%lu with changes, %lu with several",
		  (unsigned long)changes, (unsigned long)shared);
	free(model);
}
