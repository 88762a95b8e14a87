/* A device's page request interface: credits, groups, the end by Response Failure. */
#include <criterion/criterion.h>

#include "hw/pri.h"

static struct page_request request_of(uint32_t pasid, uint16_t group, bool last)
{
	return (struct page_request){
		.pasid = pasid, .group = group, .last = last, .read = true, .iova = 0x1000u * group
	};
}

static struct pri_group *sent(struct pri_interface *pri, uint32_t pasid, uint16_t group, bool last)
{
	struct page_request request = request_of(pasid, group, last);
	struct pri_group *at = pri_sent(pri, &request, 0);

	cr_assert(at);
	return at;
}

Test(pri, a_request_holds_its_credit_until_its_group_is_answered)
{
	struct pri_interface pri = { .allocation = 3 };

	sent(&pri, NO_PASID, 1, false);
	sent(&pri, NO_PASID, 1, false);
	cr_expect(pri_may_send(&pri));
	sent(&pri, NO_PASID, 1, true);
	cr_expect(!pri_may_send(&pri));
	cr_expect_eq(pri.n, 1, "one group of three requests");
	pri_answered(&pri, pri_find(&pri, NO_PASID, 1), PAGE_SUCCESS);
	cr_expect(pri_may_send(&pri));
	cr_expect_eq(pri.used, 0);
	cr_expect_eq(pri.beyond, 0);
	pri_free(&pri);
}

Test(pri, a_recorded_request_beyond_the_credits_is_counted)
{
	struct pri_interface pri = { .allocation = 1 };

	sent(&pri, NO_PASID, 1, true);
	sent(&pri, NO_PASID, 2, true);
	cr_expect_eq(pri.beyond, 1);
	pri_free(&pri);
}

Test(pri, the_same_index_of_two_PASIDs_is_two_groups)
{
	struct pri_interface pri = { .allocation = 8 };

	sent(&pri, 5, 1, true);
	sent(&pri, 6, 1, true);
	cr_expect_eq(pri.n, 2);
	cr_expect_eq(pri_find(&pri, 6, 1)->pasid, 6);
	cr_expect_eq(pri_find(&pri, ALL_PASIDS, 1)->pasid, 5, "the oldest");
	cr_expect_null(pri_find(&pri, NO_PASID, 1));
	pri_free(&pri);
}

Test(pri, the_oldest_to_answer_is_one_whose_last_was_sent)
{
	struct pri_interface pri = { .allocation = 8 };

	sent(&pri, NO_PASID, 1, false);
	sent(&pri, NO_PASID, 2, true);
	cr_expect_eq(pri_oldest(&pri)->group, 2);
	pri_free(&pri);
}

Test(pri, response_failure_stops_the_interface)
{
	struct pri_interface pri = { .allocation = 8 };

	pri_answered(&pri, sent(&pri, NO_PASID, 1, true), PAGE_FAILURE);
	cr_expect(!pri_may_send(&pri));
	pri_free(&pri);
}

Test(pri, an_index_in_flight_is_not_given_again)
{
	struct pri_interface pri = { .allocation = PRI_GROUPS };

	for (unsigned i = 0; i < PRI_GROUPS; i++)
		sent(&pri, NO_PASID, (uint16_t)pri_new_group(&pri), true);
	cr_expect_eq(pri_new_group(&pri), PRI_GROUPS, "all are in flight");
	pri_answered(&pri, pri_find(&pri, NO_PASID, 7), PAGE_SUCCESS);
	cr_expect_eq(pri_new_group(&pri), 7);
	pri_free(&pri);
}
