/*
 * What each invalidation descriptor must remove, and what it leaves here: the table of effects of the
 * hardware sheet, section 4.6. Requests fill the caches, the descriptor is executed, and what
 * the model still holds is listed.
 */
#include <criterion/criterion.h>

#include "hw/vtd/vtd_private.h"
#include "sim/machine.h"

#define PAGE 0x8080604000ull /* index 1, 2, 3, 4 from the top level down */

enum { SECOND_DEVICE = 0x0010, SECOND_DID = 5, FIRST_PASID = 0x41, FIRST_DID = 6 };

struct unit {
	struct memory *memory;
	struct tables *tables;
	struct iommu *iommu;
	uint32_t device;
	struct inval_report report;
	/* what is cached */
	unsigned leaves, level2, contexts, pasids;
};

/* Scalable mode: without PASID a second stage with domain id 5, PASID 41h a first stage with 6;
 * both map pages 0x8080604000 to 0x8080607000. */
static void store_tables(struct unit *u)
{
	static const uint64_t words[][2] = {
		{ 0x1000, 0x2001 },	 { 0x2200, 0x3009 },	  { 0x3000, 0x4001 },
		{ 0x3008, 0x5001 },	 { 0x4000, 0x10089 },	  { 0x4008, SECOND_DID },
		{ 0x5040, 0x41 },	 { 0x5048, FIRST_DID },	  { 0x5050, 0x20000 },
		{ 0x10008, 0x11003 },	 { 0x11010, 0x12003 },	  { 0x12018, 0x13003 },
		{ 0x13020, 0x12345003 }, { 0x13028, 0x12346003 }, { 0x13030, 0x12347003 },
		{ 0x13038, 0x12348003 }, { 0x20008, 0x21027 },	  { 0x21010, 0x22027 },
		{ 0x22018, 0x23027 },	 { 0x23020, 0x22345067 }, { 0x23028, 0x22346067 },
		{ 0x23030, 0x22347067 }, { 0x23038, 0x22348067 },
	};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		cr_assert(tables_store(u->tables, words[i][0], 1, words[i][1], 0, NULL) == 0);
}

static void open_unit(struct unit *u, uint64_t superpage_flush)
{
	struct machine *machine;
	struct vtd_config *config;

	cr_assert(memory_create(1ull << 40, &u->memory, NULL) == 0);
	cr_assert(tables_create(u->memory, &u->tables, NULL) == 0);
	store_tables(u);
	cr_assert(machine_create("vtd", &machine, NULL) == 0);
	config = machine->model_config;
	config->superpage_flush = superpage_flush;
	cr_assert(vtd_model.create(config, 1, u->tables, &iommu_observer_silent, &u->iommu, NULL) ==
		  0);
	machine_destroy(machine);
	cr_assert(vtd_model.add_device(u->iommu, SECOND_DEVICE, NULL, &u->device, NULL) == 0);
	vtd_model.reg_write(u->iommu, 0, 0x20, 0x1400, 8);
	vtd_model.reg_write(u->iommu, 0, 0x18, 1u << 30, 4);
	vtd_model.reg_write(u->iommu, 0, 0x18, 1u << 31, 4);
}

static void close_unit(struct unit *u)
{
	vtd_model.destroy(u->iommu);
	tables_destroy(u->tables);
	memory_destroy(u->memory);
}

static void touch(struct unit *u, uint32_t pasid, iova_t iova)
{
	struct dma_request request = {
		.iova = iova, .len = 4, .device = u->device, .pasid = pasid, .access = ACCESS_READ
	};
	struct dma_result result;

	vtd_model.translate(u->iommu, 0, &request, &result, 1);
	cr_assert_eq(result.outcome, OUTCOME_OK, "0x%llx: reason 0x%x", (unsigned long long)iova,
		     result.fault);
}

static void count(void *ctx, const struct cached_copy *copy)
{
	struct unit *u = ctx;

	u->leaves += copy->structure == STRUCTURE_TLB;
	/* the cached level 2 entry: it points to a table of the lowest level */
	u->level2 += copy->structure == STRUCTURE_WALK_CACHE &&
		     (copy->level == 0 || copy->level == VTD_FIRST_STAGE_LEVEL);
	u->contexts += copy->structure == STRUCTURE_CONFIG && !copy->level;
	u->pasids += copy->structure == STRUCTURE_CONFIG && copy->level;
}

static void execute(struct unit *u, uint64_t low, uint64_t high)
{
	struct native_command command = { .words = { low, high } };
	struct err err;

	cr_assert(vtd_model.execute(u->iommu, 1, &command, &u->report, &err) == 0, "%s", err.text);
	u->leaves = u->level2 = u->contexts = u->pasids = 0;
	vtd_model.each_copy(u->iommu, count, u);
}

#define IOTLB_PAGE(did) (0xf2 | (uint64_t)(did) << 16)
#define PASID_IOTLB_PAGE 0x0000004100060036

static void expect_left(struct unit *u, unsigned leaves, unsigned level2)
{
	cr_expect_eq(u->leaves, leaves, "%u leaves", u->leaves);
	cr_expect_eq(u->level2, level2, "%u pointers", u->level2);
	close_unit(u);
}

static void fill_second(struct unit *u)
{
	open_unit(u, SUPERPAGE_COVERING);
	touch(u, NO_PASID, PAGE);
	touch(u, NO_PASID, PAGE + 0x1000);
}

Test(vtd_inval, a_page_without_the_hint_takes_the_leaf_and_its_pointer)
{
	struct unit u = { 0 };

	fill_second(&u);
	execute(&u, IOTLB_PAGE(SECOND_DID), PAGE);
	expect_left(&u, 1, 0); /* the other page's leaf */
}

Test(vtd_inval, a_page_with_the_hint_leaves_the_pointer)
{
	struct unit u = { 0 };

	fill_second(&u);
	execute(&u, IOTLB_PAGE(SECOND_DID), PAGE | 1 << 6);
	expect_left(&u, 1, 1);
}

Test(vtd_inval, another_page_with_the_hint_leaves_both)
{
	struct unit u = { 0 };

	fill_second(&u);
	execute(&u, IOTLB_PAGE(SECOND_DID), (PAGE + 0x3000) | 1 << 6);
	expect_left(&u, 2, 1);
}

Test(vtd_inval, another_page_without_the_hint_takes_the_pointer_that_covers_it)
{
	struct unit u = { 0 };

	fill_second(&u);
	execute(&u, IOTLB_PAGE(SECOND_DID), PAGE + 0x3000);
	expect_left(&u, 2, 0);
}

Test(vtd_inval, an_address_mask_ignores_low_address_bits)
{
	struct unit u = { 0 };

	open_unit(&u, SUPERPAGE_COVERING);
	for (unsigned i = 0; i < 4; i++)
		touch(&u, NO_PASID, PAGE + i * 0x1000);
	execute(&u, IOTLB_PAGE(SECOND_DID), 0x8080606002);
	expect_left(&u, 0, 0);
}

static void superpage(struct unit *u, uint64_t superpage_flush, uint64_t high)
{
	open_unit(u, superpage_flush);
	cr_assert(tables_store(u->tables, 0x12018, 1, 0x40000083, 0, NULL) == 0);
	touch(u, NO_PASID, PAGE);
	execute(u, IOTLB_PAGE(SECOND_DID), high);
}

Test(vtd_inval, a_page_inside_a_superpage_takes_it_unless_strict)
{
	struct unit u = { 0 };

	superpage(&u, SUPERPAGE_COVERING, PAGE);
	expect_left(&u, 0, 0);
	superpage(&u, SUPERPAGE_STRICT, PAGE);
	expect_left(&u, 1, 0);
	superpage(&u, SUPERPAGE_STRICT, 0x8080600009);
	expect_left(&u, 0, 0);
}

Test(vtd_inval, a_context_cache_invalidation_leaves_translations)
{
	struct unit u = { 0 };

	fill_second(&u);
	execute(&u, 0x0000001000050031, 0);
	cr_expect_eq(u.contexts, 0u);
	cr_expect_eq(u.pasids, 1u);
	expect_left(&u, 2, 1);
}

Test(vtd_inval, a_pasid_cache_invalidation_takes_one_pasid_of_a_domain)
{
	struct unit u = { 0 };

	fill_second(&u);
	touch(&u, FIRST_PASID, PAGE);
	execute(&u, 0x0000004100050017, 0); /* of another domain */
	cr_expect_eq(u.pasids, 2u);
	execute(&u, 0x0000004100060017, 0);
	cr_expect_eq(u.pasids, 1u);
	cr_expect_eq(u.contexts, 1u);
	execute(&u, 0x0000000000050007, 0); /* all of domain 5 */
	cr_expect_eq(u.pasids, 0u);
	expect_left(&u, 3, 2);
}

static void fill_first(struct unit *u)
{
	open_unit(u, SUPERPAGE_COVERING);
	touch(u, FIRST_PASID, PAGE);
	touch(u, FIRST_PASID, PAGE + 0x1000);
}

Test(vtd_inval, a_pasid_page_takes_the_first_stage_leaf)
{
	struct unit u = { 0 };

	fill_first(&u);
	execute(&u, PASID_IOTLB_PAGE, PAGE);
	expect_left(&u, 1, 0);
	fill_first(&u);
	execute(&u, PASID_IOTLB_PAGE, PAGE | 1 << 6); /* IH */
	expect_left(&u, 1, 1);
	fill_first(&u);
	execute(&u, 0x0000004000060036, PAGE); /* another PASID */
	expect_left(&u, 2, 1);
}

Test(vtd_inval, a_page_of_the_domain_takes_all_first_stage_leaves)
{
	struct unit u = { 0 };

	fill_first(&u);
	execute(&u, IOTLB_PAGE(FIRST_DID), 0x1000);
	expect_left(&u, 0, 0);
	fill_first(&u);
	execute(&u, IOTLB_PAGE(FIRST_DID), 0x1000 | 1 << 6);
	expect_left(&u, 0, 1);
}

Test(vtd_inval, a_whole_pasid_takes_first_stage_copies_and_no_others)
{
	struct unit u = { 0 };

	fill_first(&u);
	touch(&u, NO_PASID, PAGE);
	execute(&u, 0x0000000000050026, 0); /* PASID 0 of domain 5: a second stage */
	cr_expect_eq(u.leaves, 3u);
	execute(&u, 0x0000004100060026, 0);
	expect_left(&u, 1, 1);
}

Test(vtd_inval, domain_and_global_take_both_stages)
{
	struct unit u = { 0 };

	fill_first(&u);
	touch(&u, NO_PASID, PAGE);
	execute(&u, 0x00000000000600e2, 0);
	cr_expect_eq(u.leaves, 1u);
	cr_expect_eq(u.level2, 1u);
	execute(&u, 0x00000000000000d2, 0);
	expect_left(&u, 0, 0);
}

Test(vtd_inval, device_tlb_and_page_group_descriptors_are_accepted)
{
	struct unit u = { 0 };

	fill_second(&u);
	execute(&u, 0x0000001000000003, 0x0000008080604000);
	execute(&u, 0x0000004100100008, 0x0000008080604000);
	execute(&u, 0x0000004100100019, 0x000000000000001c);
	execute(&u, 0x0000000200000025, 0x0000000000008000);
	expect_left(&u, 2, 1);
}

Test(vtd_inval, wrong_descriptors_are_refused)
{
	static const uint64_t wrong[][2] = {
		{ 0x0a, 0 },			/* no such type */
		{ 0x01, 0 },			/* context cache, granularity 0 */
		{ 0x02, 0 },			/* IOTLB, granularity 0 */
		{ 0x16, 0 },			/* PASID IOTLB, granularity 01 */
		{ 0x27, 0 },			/* PASID cache, granularity 10 */
		{ 0x00000000000500f2, 19 },	/* AM above MAMV */
		{ 0x00000000000500f2, 0x80 },	/* reserved */
		{ 0x0010004100060036, 0 },	/* reserved */
		{ 0x0000004100060017, 0x1000 }, /* reserved */
	};
	struct unit u = { 0 };

	fill_second(&u);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct native_command command = { .words = { wrong[i][0], wrong[i][1] } };

		cr_expect_eq(vtd_model.execute(u.iommu, 1, &command, &u.report, NULL), -1, "0x%llx",
			     (unsigned long long)wrong[i][0]);
	}
	close_unit(&u);
}

Test(vtd_inval, types_of_scalable_mode_need_wide_descriptors)
{
	struct unit u = { 0 };
	uint64_t fsts = 0, head = 0;

	fill_second(&u);
	cr_assert(tables_store(u.tables, 0x8000, 1, 0x0000004100060017, 0, NULL) == 0);
	vtd_model.reg_write(u.iommu, 1, 0x18, 1u << 31 | 1u << 26, 4);
	vtd_model.reg_write(u.iommu, 1, 0x90, 0x8000 | 1 << 11, 8); /* DW */
	vtd_model.reg_write(u.iommu, 1, 0x88, 0x20, 8);
	cr_assert(vtd_model.reg_read(u.iommu, 0x80, 8, &head));
	cr_expect_eq(head, 0x20u);
	vtd_model.reg_write(u.iommu, 1, 0x18, 1u << 31, 4);
	vtd_model.reg_write(u.iommu, 1, 0x88, 0, 8);
	vtd_model.reg_write(u.iommu, 1, 0x90, 0x8000, 8);
	vtd_model.reg_write(u.iommu, 1, 0x18, 1u << 31 | 1u << 26, 4);
	vtd_model.reg_write(u.iommu, 1, 0x88, 0x10, 8);
	cr_assert(vtd_model.reg_read(u.iommu, 0x34, 4, &fsts));
	cr_expect(bit(fsts, 4), "IQE");
	close_unit(&u);
}

static void expect_covers(const struct unit *u, const struct invalidation *what)
{
	struct invalidation covers = { 0 }, decoded = { 0 };
	struct native_command command;

	cr_assert(vtd_model.encode(u->iommu, what, &command, &covers));
	cr_assert(vtd_model.decode(u->iommu, &command, &decoded));
	cr_expect(covers.what == decoded.what && covers.tag == decoded.tag &&
			  covers.device == decoded.device && covers.pasid == decoded.pasid &&
			  covers.first == decoded.first && covers.last == decoded.last &&
			  covers.leaf == decoded.leaf && covers.drain == decoded.drain,
		  "0x%llx 0x%llx", (unsigned long long)command.words[0],
		  (unsigned long long)command.words[1]);
}

/* Ranges of every size and offset, leaves or more, with PASIDs and without. */
Test(vtd_inval, what_a_command_covers_is_what_it_says)
{
	struct unit u = { 0 };

	open_unit(&u, 0);
	for (unsigned i = 0; i < 64 * 64; i++) {
		struct invalidation what = { .what = INVAL_RANGE,
					     .tag = i * 0x9e37 & 0xffff,
					     .pasid = i & 4 ? NO_PASID : i,
					     .first = 0x9e3779b97f4a7c15ull * i >> i % 64,
					     .leaf = i & 1,
					     .drain = i & 2 };

		what.last = what.first | low_mask(i / 64);
		expect_covers(&u, &what);
	}
	close_unit(&u);
}

/* The usual descriptor, which is not checked part by part, with one bit another. */
Test(vtd_inval, one_wrong_bit_in_the_usual_descriptor_is_refused)
{
	struct unit u = { 0 };

	open_unit(&u, 0);
	for (unsigned i = 0; i < 256; i++) {
		struct native_command command = { .words = { IOTLB_PAGE(SECOND_DID),
							     PAGE | 1u << QI_IH_BIT } };
		bool wrong;

		touch(&u, NO_PASID, PAGE);
		command.words[i / 64] ^= 1ull << i % 64;
		wrong = vtd_descriptor_error(vtd_of(u.iommu), &command);
		cr_expect_eq(vtd_model.execute(u.iommu, 1, &command, &u.report, &(struct err){ 0 }),
			     wrong ? -1 : 0, "bit %u", i);
	}
	close_unit(&u);
}
