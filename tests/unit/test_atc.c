/* Device TLBs: completions as words, exact scope of invalidations, what is marked and told. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include <string.h>

#include "hw/atc.h"

/* ---- completions ---------------------------------------------------------------------------- */

struct completion_case {
	char name[40];
	uint64_t word;
	uint64_t pa;
	uint8_t page_lg2, perm;
	bool non_snooped, untranslated_only;
};

ParameterizedTestParameters(atc, a_completion_is_its_word)
{
	static struct completion_case cases[] = {
		{ "4 KiB, R", 0x12345001, 0x12345000, 12, TLB_READ, false, false },
		{ "8 KiB, R and W: bit 12 is the zero", 0x12346803, 0x12346000, 13,
		  TLB_READ | TLB_WRITE, false, false },
		{ "2 MiB, W", 0x400ff802, 0x40000000, 21, TLB_WRITE, false, false },
		{ "1 GiB, R and Exe", 0x15ffff809, 0x140000000, 30, TLB_READ | TLB_EXECUTE, false,
		  false },
		{ "N", 0x12345401, 0x12345000, 12, TLB_READ, true, false },
		{ "U: untranslated only", 0x12345006, 0x12345000, 12, TLB_WRITE, false, true },
	};

	return cr_make_param_array(struct completion_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct completion_case *c, atc, a_completion_is_its_word)
{
	struct ats_completion completion;

	ats_completion_unpack(c->word, &completion);
	cr_expect_eq(completion.pa, c->pa, "%s: pa 0x%llx", c->name,
		     (unsigned long long)completion.pa);
	cr_expect_eq(completion.page_lg2, c->page_lg2, "%s: size %u", c->name, completion.page_lg2);
	cr_expect_eq(completion.perm, c->perm, "%s: perm", c->name);
	cr_expect_eq(completion.non_snooped, c->non_snooped, "%s: N", c->name);
	cr_expect_eq(completion.untranslated_only, c->untranslated_only, "%s: U", c->name);
	cr_expect_eq(ats_completion_pack(&completion), c->word, "%s: packed 0x%llx", c->name,
		     (unsigned long long)ats_completion_pack(&completion));
}

/* ---- two devices, copies without a PASID and with two ------------------------------------------- */

enum { NEAR = 0, OTHER = 1, SPACE = 7 };

struct scene {
	struct iommu iommu;
	struct iommu_observer observer;
	struct atc_set set;
	unsigned opened, closed;
};

static void on_opens(void *self, const struct doubted_copy *copy)
{
	struct scene *s = self;

	cr_expect_eq(copy_name_structure(copy->name), STRUCTURE_ATC);
	s->opened++;
}

static void on_closes(void *self, uint64_t name)
{
	struct scene *s = self;

	cr_expect_eq(copy_name_structure(name), STRUCTURE_ATC);
	s->closed++;
}

static void fill(struct scene *s, uint32_t device, uint32_t pasid, iova_t iova, unsigned page_lg2)
{
	struct ats_completion completion = { .pa = 0x40000000 + (iova & ~low_mask(page_lg2)),
					     .page_lg2 = (uint8_t)page_lg2,
					     .perm = TLB_READ | TLB_WRITE };
	struct atc_fill fill = { .device = device,
				 .pasid = pasid,
				 .input_bits = pasid == NO_PASID ? 0 : 48,
				 .iova = iova,
				 .completion = ats_completion_pack(&completion),
				 .space = SPACE,
				 .changed = NO_EVENT };
	struct dma_request request = { .device = device, .pasid = pasid, .iova = iova };
	struct atc_hit hit;

	atc_put(&s->set, &fill, &request, &hit);
}

static bool find(struct scene *s, uint32_t device, uint32_t pasid, iova_t iova, struct atc_hit *hit)
{
	struct dma_request request = { .device = device, .pasid = pasid, .iova = iova };

	return atc_find(&s->set, &request, hit);
}

static bool holds(const struct scene *s, uint32_t device, uint32_t pasid, iova_t iova)
{
	struct dma_request request = { .device = device, .pasid = pasid, .iova = iova };

	return atc_holds(&s->set, &request);
}

static void open_scene(struct scene *s)
{
	static const struct tlb_geometry sizes = { .page_lg2 = { 12, 21 }, .address_bits = 57 };
	static const struct device_tlb tlb = { .sets = 4, .ways = 4 };

	memset(s, 0, sizeof *s);
	s->observer = iommu_observer_silent;
	s->observer.self = s;
	s->observer.copy_opens = on_opens;
	s->observer.copy_closes = on_closes;
	atc_set_init(&s->set, &sizes, &s->iommu, &s->observer);
	cr_assert(atc_add(&s->set, NEAR, &tlb, NULL) == 0);
	cr_assert(atc_add(&s->set, OTHER, &tlb, NULL) == 0);
	fill(s, NEAR, NO_PASID, 0x5000, 12);
	fill(s, NEAR, NO_PASID, 0x6000, 12);
	fill(s, NEAR, 0x41, 0x5000, 12);
	fill(s, NEAR, 0x41, 0xffff800000005000, 12); /* canonical, upper half */
	fill(s, NEAR, 0x42, 0x5000, 12);
	fill(s, OTHER, NO_PASID, 0x5000, 12);
}

struct scope_case {
	char name[56];
	uint32_t device, pasid;
	uint64_t first, last;
	/* what is still there, in the order of the fills above */
	bool left[6];
};

ParameterizedTestParameters(atc, an_invalidation_removes_what_it_names)
{
	static struct scope_case cases[] = {
		{ "a page without PASID", NEAR, NO_PASID, 0x5000, 0x5fff, { 0, 1, 1, 1, 1, 1 } },
		{ "the page beside", NEAR, NO_PASID, 0x7000, 0x7fff, { 1, 1, 1, 1, 1, 1 } },
		{ "all without PASID", NEAR, NO_PASID, 0, UINT64_MAX, { 0, 0, 1, 1, 1, 1 } },
		{ "a page of one PASID", NEAR, 0x41, 0x5000, 0x5fff, { 1, 1, 0, 1, 1, 1 } },
		{ "its page in the upper half",
		  NEAR,
		  0x41,
		  0xffff800000005000,
		  0xffff800000005fff,
		  { 1, 1, 1, 0, 1, 1 } },
		{ "all of one PASID", NEAR, 0x41, 0, UINT64_MAX, { 1, 1, 0, 0, 1, 1 } },
		{ "a page of every PASID", NEAR, ALL_PASIDS, 0x5000, 0x5fff, { 1, 1, 0, 1, 0, 1 } },
		{ "everything of every PASID",
		  NEAR,
		  ALL_PASIDS,
		  0,
		  UINT64_MAX,
		  { 1, 1, 0, 0, 0, 1 } },
		{ "the other device", OTHER, NO_PASID, 0, UINT64_MAX, { 1, 1, 1, 1, 1, 0 } },
		{ "a PASID never met", NEAR, 0x99, 0, UINT64_MAX, { 1, 1, 1, 1, 1, 1 } },
	};

	return cr_make_param_array(struct scope_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct scope_case *c, atc, an_invalidation_removes_what_it_names)
{
	struct inval_report report = { 0 };
	unsigned gone = 0;
	struct scene s;

	open_scene(&s);
	atc_invalidate(&s.set, c->device, c->pasid, c->first, c->last, &report);
	cr_expect_eq(holds(&s, NEAR, NO_PASID, 0x5000), c->left[0], "%s: 0", c->name);
	cr_expect_eq(holds(&s, NEAR, NO_PASID, 0x6000), c->left[1], "%s: 1", c->name);
	cr_expect_eq(holds(&s, NEAR, 0x41, 0x5000), c->left[2], "%s: 2", c->name);
	cr_expect_eq(holds(&s, NEAR, 0x41, 0xffff800000005000), c->left[3], "%s: 3", c->name);
	cr_expect_eq(holds(&s, NEAR, 0x42, 0x5000), c->left[4], "%s: 4", c->name);
	cr_expect_eq(holds(&s, OTHER, NO_PASID, 0x5000), c->left[5], "%s: 5", c->name);
	for (unsigned i = 0; i < 6; i++)
		gone += !c->left[i];
	cr_expect_eq(report.removed, gone, "%s: %u removed", c->name, report.removed);
	atc_set_free(&s.set);
}

Test(atc, a_marked_copy_is_told_until_it_goes)
{
	struct inval_report report = { 0 };
	struct atc_hit hit;
	struct scene s;

	open_scene(&s);
	atc_mark(&s.set, SPACE, 0x5000, 0x5fff);
	cr_expect_eq(s.opened, 4, "%u", s.opened); /* the upper half is another input */
	cr_assert(find(&s, NEAR, NO_PASID, 0x5008, &hit));
	cr_expect(*hit.at.data & TLB_CHECK);
	cr_expect_eq(atc_output(&hit), 0x40005008);
	atc_proven(&s.set, NEAR, &hit);
	cr_expect_eq(s.closed, 1);
	cr_expect(!(*hit.at.data & TLB_CHECK));
	atc_invalidate(&s.set, NEAR, ALL_PASIDS, 0, UINT64_MAX, &report);
	cr_expect_eq(s.closed, 3, "%u", s.closed);
	cr_expect_eq(report.stale, 2);
	atc_set_free(&s.set);
}

Test(atc, a_larger_completion_is_kept_as_the_largest_size_below)
{
	struct atc_hit hit;
	struct scene s;

	open_scene(&s);
	fill(&s, OTHER, 0x41, 0x40345678, 30);
	cr_expect(find(&s, OTHER, 0x41, 0x40212345, &hit));
	cr_expect_eq(atc_output(&hit), 0x80212345);
	cr_expect(!holds(&s, OTHER, 0x41, 0x40000000));
	atc_set_free(&s.set);
}

Test(atc, an_overlap_puts_both_copies_in_doubt_and_is_counted)
{
	struct cached_copy other;
	struct atc_hit hit;
	struct scene s;

	open_scene(&s);
	fill(&s, NEAR, NO_PASID, 0x0, 21);
	cr_assert(find(&s, NEAR, NO_PASID, 0x5000, &hit));
	cr_expect(*hit.at.data & TLB_CHECK);
	cr_expect_eq(atc_others(&s.set, NEAR, &hit, 8, &other), 1);
	cr_expect(atc_overlapped(&hit));
	cr_expect_eq(hit.at.copy->page_lg2, 12, "the oldest answers");
	cr_assert(find(&s, NEAR, NO_PASID, 0x9000, &hit));
	cr_expect_eq(atc_others(&s.set, NEAR, &hit, 8, &other), 0);
	atc_set_free(&s.set);
}

Test(atc, privileged_requests_have_copies_of_their_own)
{
	struct dma_request request = {
		.device = NEAR, .pasid = 0x41, .iova = 0x5000, .privileged = 1
	};
	struct inval_report report = { 0 };
	struct atc_fill fill = { .device = NEAR,
				 .pasid = 0x41,
				 .privileged = true,
				 .iova = 0x5000,
				 .completion = 0x77000 | 1,
				 .changed = NO_EVENT };
	struct atc_hit hit;
	struct scene s;

	open_scene(&s);
	cr_expect(!atc_find(&s.set, &request, &hit));
	atc_put(&s.set, &fill, &request, &hit);
	cr_assert(atc_find(&s.set, &request, &hit));
	cr_expect(atc_output(&hit) == 0x77000 && hit.privileged);
	request.privileged = 0;
	cr_assert(atc_find(&s.set, &request, &hit));
	cr_expect(atc_output(&hit) != 0x77000 && !hit.privileged);
	atc_invalidate(&s.set, NEAR, 0x41, 0x5000, 0x5fff, &report);
	cr_expect_eq(report.removed, 2, "an invalidation names no privilege");
	atc_set_free(&s.set);
}
