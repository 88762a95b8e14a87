/* What memory holds where software's words are still in a CPU's cache. */
#include <criterion/criterion.h>

#include "hw/memory_view.h"
#include "traces/rng.h"

static struct memory *memory_with_view(void)
{
	struct memory *memory;

	cr_assert(memory_create(1ull << 40, &memory, NULL) == 0);
	cr_assert(memory_view_create(memory, NULL) == 0);
	return memory;
}

static void software_writes(struct memory *memory, pa_t pa, uint64_t value, uint64_t event)
{
	struct frame *frame = memory_make(memory, pa);

	cr_assert(memory_view_hold(memory, pa, 1, value, 0, event) == 0);
	cr_assert(frame_set(frame, (unsigned)(pa / 8 % FRAME_WORDS), value) == 0);
}

static uint64_t unit_reads(struct memory *memory, pa_t pa)
{
	uint64_t software = 0;

	memory_read(memory, pa, &software);
	return memory_view_word(memory->view, pa, software);
}

Test(memory_view, a_word_reaches_memory_with_its_line)
{
	struct memory *memory = memory_with_view();

	software_writes(memory, 0x1008, 7, 3);
	software_writes(memory, 0x1048, 8, 4);
	cr_expect_eq(unit_reads(memory, 0x1008), 0);
	memory_view_write_back(memory, 0x1000, 0x1000);
	cr_expect_eq(unit_reads(memory, 0x1008), 7, "any byte of the line writes it back");
	cr_expect_eq(unit_reads(memory, 0x1048), 0, "the next line stays behind");
	memory_destroy(memory);
}

Test(memory_view, the_first_word_behind_is_remembered_with_its_event)
{
	struct memory *memory = memory_with_view();

	software_writes(memory, 0x2000, 1, 5);
	software_writes(memory, 0x3000, 2, 6);
	software_writes(memory, 0x2000, 9, 7);
	unit_reads(memory, 0x4000);
	cr_expect_not(memory_view_met(memory->view));
	unit_reads(memory, 0x2000);
	unit_reads(memory, 0x3000);
	cr_expect_eq(memory->view->n_met, 2);
	cr_expect_eq(memory->view->met.word, 0x2000);
	cr_expect_eq(memory->view->met.memory, 0);
	cr_expect_eq(memory->view->met.software, 9);
	cr_expect_eq(memory->view->met.event, 7, "the latest write is what memory lags behind");
	memory_view_forget(memory->view);
	cr_expect_not(memory_view_met(memory->view));
	memory_destroy(memory);
}

Test(memory_view, a_word_that_comes_back_to_what_memory_holds_is_not_behind)
{
	struct memory *memory = memory_with_view();

	software_writes(memory, 0x1000, 7, 1);
	software_writes(memory, 0x1000, 0, 2);
	cr_expect_eq(memory->view->n_lines, 0);
	memory_destroy(memory);
}

Test(memory_view, hardware_writes_what_memory_holds)
{
	struct memory *memory = memory_with_view();

	software_writes(memory, 0x1000, 7, 1);
	cr_expect(memory_view_store(memory->view, 0x1000, 0x20));
	cr_expect_not(memory_view_store(memory->view, 0x1008, 0x20), "that word is not behind");
	cr_expect_eq(unit_reads(memory, 0x1000), 0x20);
	memory_view_write_back(memory, 0x1000, 0x1007);
	cr_expect_eq(unit_reads(memory, 0x1000), 7, "the line of the CPU wins");
	memory_destroy(memory);
}

/* Against an array, with writes and write-backs of all lengths. */
Test(memory_view, agrees_with_two_plain_images)
{
	enum { PAGES = 40, WORDS = PAGES * FRAME_WORDS };
	static uint64_t held[WORDS], software[WORDS];
	struct memory *memory = memory_with_view();
	struct rng rng = rng_seed(5);

	for (unsigned step = 0; step < 20000; step++) {
		unsigned at = rng_below(&rng, WORDS), n = 1 + rng_below(&rng, 20);

		if (rng_below(&rng, 10)) {
			software[at] = rng_below(&rng, 3);
			software_writes(memory, at * 8ull, software[at], step);
		} else {
			unsigned last = at + n * (rng_below(&rng, 4) ? 1 : 600);

			last = last < WORDS ? last : WORDS - 1;
			memory_view_write_back(memory, at * 8ull, last * 8ull);
			for (unsigned i = at & ~7u; i <= (last | 7u); i++)
				held[i] = software[i];
		}
		at = rng_below(&rng, WORDS);
		cr_assert_eq(unit_reads(memory, at * 8ull), held[at], "step %u, word %u", step, at);
	}
	memory_view_write_back(memory, 0, UINT64_MAX);
	cr_expect_eq(memory->view->n_lines, 0);
	memory_destroy(memory);
}
