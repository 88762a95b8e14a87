/* Simulated memory: frames kept as runs and as words hold what a plain array would. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "hw/memory.h"
#include "traces/rng.h"

#define LIMIT (1ull << 40)

static struct memory *memory_of(void)
{
	struct memory *memory = NULL;

	cr_assert_eq(memory_create(LIMIT, &memory, NULL), 0);
	return memory;
}

static void expect_words(const struct frame *frame, const uint64_t *words)
{
	unsigned nonzero = 0;

	for (unsigned i = 0; i < FRAME_WORDS; i++) {
		nonzero += words[i] != 0;
		cr_assert_eq(frame_word(frame, i), words[i], "word %u", i);
	}
	cr_assert_eq(frame->nonzero, nonzero);
}

Test(memory, what_was_never_written_reads_as_zero_up_to_the_limit)
{
	struct memory *memory = memory_of();
	uint64_t value = 7;

	cr_expect(memory_read(memory, 0, &value));
	cr_expect_eq(value, 0);
	value = 7;
	cr_expect(memory_read(memory, LIMIT - 8, &value));
	cr_expect_eq(value, 0);
	value = 7;
	cr_expect_not(memory_read(memory, LIMIT, &value));
	cr_expect_not(memory_read(memory, UINT64_MAX, &value));
	cr_expect_eq(value, 7, "a failed read leaves the value");
	cr_expect_eq(memory_frames(memory), 0, "reading makes no frame");
	cr_expect_null(memory_frame(memory, 0x1000));
	memory_destroy(memory);
	memory_destroy(NULL);
}

Test(memory, a_frame_is_one_for_all_its_addresses_and_stays_where_it_is)
{
	enum { MANY = 5000 };
	static struct frame *frames[MANY];
	struct memory *memory = memory_of();
	uint64_t value;

	for (uint64_t i = 0; i < MANY; i++) {
		frames[i] = memory_make(memory, i * 0x7000 + 0xff8);
		cr_assert_not_null(frames[i]);
		cr_assert_eq(frames[i]->pa, i * 0x7000);
		cr_assert_eq(frame_set(frames[i], 3, i + 1), 0);
	}
	cr_expect_eq(memory_frames(memory), MANY);
	for (uint64_t i = 0; i < MANY; i++) {
		cr_assert_eq(memory_frame(memory, i * 0x7000 + 8), frames[i]);
		cr_assert_eq(memory_make(memory, i * 0x7000), frames[i]);
		cr_assert(memory_read(memory, i * 0x7000 + 24, &value));
		cr_assert_eq(value, i + 1);
		cr_assert_null(memory_frame(memory, i * 0x7000 + 0x1000));
	}
	cr_expect_eq(memory_frames(memory), MANY);
	memory_destroy(memory);
}

Test(memory, a_frame_stays_a_run_where_it_can)
{
	struct memory *memory = memory_of();
	struct frame *frame = memory_make(memory, 0x1000);
	uint64_t words[FRAME_WORDS] = { 0 };

	for (unsigned i = 10; i < 500; i++) {
		words[i] = 0x5003 + (uint64_t)i * 0x1000;
		cr_assert_eq(frame_set(frame, i, words[i]), 0);
	}
	cr_expect_null(frame->words, "words that rise evenly");
	expect_words(frame, words);
	for (unsigned i = 499; i >= 300; i--) {
		words[i] = 0;
		cr_assert_eq(frame_set(frame, i, 0), 0);
	}
	cr_expect_null(frame->words, "taken back from the end");
	expect_words(frame, words);
	words[100] |= 4;
	cr_assert_eq(frame_set(frame, 100, words[100]), 0);
	cr_expect_not_null(frame->words, "one word breaks the run");
	expect_words(frame, words);
	memory_destroy(memory);
}

Test(memory, clearing_a_run_as_a_whole_leaves_an_empty_run)
{
	struct memory *memory = memory_of();
	struct frame *frame = memory_make(memory, 0x1000);
	uint64_t words[FRAME_WORDS] = { 0 };

	cr_assert_eq(frame_set_run(frame, 0, FRAME_WORDS, 3, 0x1000), 0);
	cr_expect_eq(frame->nonzero, FRAME_WORDS);
	cr_assert_eq(frame_set_run(frame, 0, FRAME_WORDS, 0, 0), 0);
	cr_expect_null(frame->words);
	expect_words(frame, words);
	memory_destroy(memory);
}

Test(memory, a_run_that_wraps_through_zero_counts_its_words)
{
	struct memory *memory = memory_of();
	struct frame *frame = memory_make(memory, 0x1000);
	uint64_t words[FRAME_WORDS] = { [5] = 0x2000, 0x1000, 0, -0x1000ull };

	cr_assert_eq(frame_set_run(frame, 5, 4, 0x2000, -0x1000ull), 0);
	expect_words(frame, words);
	memory_destroy(memory);
}

/* ---- against a plain array -------------------------------------------------------------------- */

/* Values that often go on where the neighbours left off, so that runs form and break. */
static uint64_t some_word(struct rng *rng, const uint64_t *words, unsigned index)
{
	uint64_t before = index ? words[index - 1] : 0;

	switch (rng_below(rng, 5)) {
	case 0:
		return 0;
	case 1:
		return index > 1 ? before + (before - words[index - 2]) : 1;
	case 2:
		return before;
	case 3:
		return before + 0x1000;
	default:
		return rng_next(rng) >> rng_below(rng, 64);
	}
}

static void set_range(struct frame *frame, uint64_t *words, struct rng *rng, unsigned index,
		      unsigned count)
{
	/* steps that wrap through 0 are part of it */
	static const uint64_t steps[] = { 0, 1, 0x1000, 1ull << 30, UINT64_MAX, -0x1000ull };
	uint64_t base = rng_percent(rng, 30) ? 0 : rng_next(rng) >> rng_below(rng, 64);
	uint64_t step = rng_percent(rng, 40) ? 0 : steps[rng_below(rng, 6)];

	cr_assert_eq(frame_set_run(frame, index, count, base, step), 0);
	for (unsigned i = 0; i < count; i++)
		words[index + i] = base + i * step;
}

ParameterizedTestParameters(memory, random_writes_agree_with_an_array)
{
	static uint64_t seeds[] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	return cr_make_param_array(uint64_t, seeds, sizeof seeds / sizeof seeds[0]);
}

ParameterizedTest(uint64_t *seed, memory, random_writes_agree_with_an_array)
{
	struct rng rng = rng_seed(*seed);
	unsigned runs = 0, broken = 0;

	for (unsigned round = 0; round < 200; round++) {
		struct memory *memory = memory_of();
		struct frame *frame = memory_make(memory, 0x1000);
		uint64_t words[FRAME_WORDS] = { 0 };
		/* a corner of the frame or all of it, so that writes meet */
		unsigned room = rng_percent(&rng, 50) ? 12 : FRAME_WORDS;
		unsigned from = rng_below(&rng, FRAME_WORDS - room + 1);

		for (unsigned step = 0; step < 40; step++) {
			unsigned index = from + rng_below(&rng, room);
			unsigned most = from + room - index;

			if (rng_percent(&rng, 25)) {
				set_range(frame, words, &rng, index, 1 + rng_below(&rng, most));
			} else {
				words[index] = some_word(&rng, words, index);
				cr_assert_eq(frame_set(frame, index, words[index]), 0);
			}
			expect_words(frame, words);
			runs += !frame->words;
			broken += frame->words != NULL;
		}
		memory_destroy(memory);
	}
	cr_expect(runs > 500 && broken > 500, "%u as runs, %u as words", runs, broken);
}
