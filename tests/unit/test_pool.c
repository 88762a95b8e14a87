/* Numbered items, against a list of which numbers are out and what was put into them. */
#include <criterion/criterion.h>

#include "sim/pool.h"
#include "traces/rng.h"

enum { MANY = 3000 };

struct item {
	uint32_t number, mark;
	uint64_t value[2];
};

static struct item *item_at(const struct pool *pool, uint32_t number)
{
	return pool_at(pool, number);
}

Test(pool, the_last_one_given_back_is_taken_next)
{
	struct pool pool = pool_of(sizeof(struct item));

	for (uint32_t i = 0; i < 3; i++)
		cr_assert_eq(pool_take(&pool), i, "new numbers count up");
	pool_give(&pool, 0);
	pool_give(&pool, 2);
	cr_expect_eq(pool_take(&pool), 2);
	cr_expect_eq(pool_take(&pool), 0);
	cr_expect_eq(pool_take(&pool), 3);
	cr_expect_eq(pool.n, 4);
	pool_free(&pool);
}

Test(pool, items_as_small_as_a_number_are_enough)
{
	struct pool pool = pool_of(sizeof(uint32_t));

	for (uint32_t i = 0; i < 200; i++)
		cr_assert_eq(pool_take(&pool), i);
	for (uint32_t i = 0; i < 200; i++)
		pool_give(&pool, i);
	for (uint32_t i = 200; i-- > 0;)
		cr_assert_eq(pool_take(&pool), i);
	pool_free(&pool);
}

/* Whatever comes and goes, an item that is out keeps its number and its bytes. */
Test(pool, random_takes_and_gives_disturb_no_item_that_is_out)
{
	static uint32_t out[MANY], mark[MANY];
	struct pool pool = pool_of(sizeof(struct item));
	struct rng rng = rng_seed(11);
	uint32_t n = 0;

	for (uint32_t step = 1; step < 100000; step++) {
		/* grows to most of them, shrinks again, and so on */
		bool takes = rng_below(&rng, 100) < (step % 20000 < 10000 ? 60u : 40u);

		if (takes && n < MANY) {
			uint32_t number = pool_take(&pool);

			cr_assert_lt(number, MANY, "no more numbers than were out at once");
			for (uint32_t i = 0; step % 100 == 0 && i < n; i++)
				cr_assert_neq(out[i], number);
			*item_at(&pool, number) =
				(struct item){ number, step, { step, ~(uint64_t)step } };
			mark[number] = step;
			out[n++] = number;
		} else if (n) {
			uint32_t i = rng_below(&rng, n), number = out[i];
			const struct item *item = item_at(&pool, number);

			cr_assert(item->number == number && item->mark == mark[number] &&
				  item->value[0] == mark[number] &&
				  item->value[1] == ~(uint64_t)mark[number]);
			pool_give(&pool, number);
			out[i] = out[--n];
		}
	}
	pool_free(&pool);
}
