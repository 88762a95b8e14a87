/* Importing: what QEMU's log says of VT-d, and what its descriptors mean. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "tests/unit/import_story.h"

/* ---- the host's lines ------------------------------------------------------------------------ */

Test(import_host, a_translation_is_one_request_with_its_exact_address)
{
	struct story *story = import_text(NULL, "7671@1795221397.679922:vtd_iotlb_cc_hit IOTLB "
						"context hit bus 0x2 devfn 0x0 high 0x701 "
						"low 0x101b1e001 gen 1\n"
						"7671@1795221397.679924:vtd_iotlb_page_update "
						"IOTLB page update sid 0x200 iova 0xfff1f840 "
						"slpte 0x118d80003 domain 0x7\n"
						"7671@1795221397.679926:vtd_dmar_translate dev "
						"02:00.00 iova 0xfff1f000 -> gpa 0x118d80000 "
						"mask 0xfff\n");
	const struct told *dma = find(story, EVENT_DMA, 0);

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	cr_expect_eq(count(story, EVENT_DMA), 1);
	cr_expect_eq(event_verb(&dma->event), DMA_VERB_ANY);
	cr_expect_str_eq(dma->device, "02:00.0");
	cr_expect_eq(dma->event.addr, 0xfff1f840);
	cr_expect_eq(dma->event.len, 4);
	cr_expect_eq(dma->values[DMA_PA], 0x118d80840);
	cr_expect_eq(dma->values[FIELD_SRC], 1);
	cr_expect_eq(dma->values[FIELD_AT], 2, "the line that tells a walk from a hit");
	cr_expect_eq(dma->event.time_ns, 4000);
	cr_expect_str_eq(find(story, EVENT_ATTACH, 0)->domain, "did7");
	cr_expect_eq(find(story, EVENT_DEVICE, 0)->values[DEVICE_ID], 1ull << 63 | 0x200);
	cr_expect_eq(find(story, EVENT_DOMAIN, 0)->values[DOMAIN_DID], 7);
	close_story(story);
}

Test(import_host, lines_of_other_threads_may_stand_between)
{
	struct story *story = import_text(NULL, "1@1000.000001:vtd_iotlb_page_hit IOTLB page hit "
						"sid 0x28 iova 0xffffd003 slpte 0x1000003 "
						"domain 0x5\n"
						"2@1000.000001:vtd_iotlb_page_hit IOTLB page hit "
						"sid 0x100 iova 0xffffd008 slpte 0x2000003 "
						"domain 0x9\n"
						"1@1000.000002:vtd_dmar_translate dev 00:05.00 "
						"iova 0xffffd000 -> gpa 0x1000000 mask 0xfff\n"
						"2@1000.000002:vtd_dmar_translate dev 01:00.00 "
						"iova 0xffffd000 -> gpa 0x2000000 mask 0xfff\n");

	cr_expect_str_eq(find(story, EVENT_DMA, 0)->device, "00:05.0");
	cr_expect_eq(find(story, EVENT_DMA, 0)->event.addr, 0xffffd003);
	cr_expect_eq(find(story, EVENT_DMA, 0)->event.len, 1);
	cr_expect_eq(find(story, EVENT_DMA, 0)->values[DMA_PA], 0x1000003);
	cr_expect_str_eq(find(story, EVENT_DMA, 1)->device, "01:00.0");
	cr_expect_eq(find(story, EVENT_DMA, 1)->values[DMA_PA], 0x2000008);
	close_story(story);
}

Test(import_host, functions_are_hexadecimal_and_large_pages_keep_their_low_bits)
{
	struct story *story = import_text(NULL, "1@1000.000001:vtd_iotlb_page_hit IOTLB page hit "
						"sid 0xff iova 0x40212345 slpte 0x80000083 "
						"domain 0x5\n"
						"1@1000.000002:vtd_dmar_translate dev 00:1f.07 "
						"iova 0x40200000 -> gpa 0x80000000 mask "
						"0x1fffff\n");

	cr_expect_str_eq(find(story, EVENT_DMA, 0)->device, "00:1f.7");
	cr_expect_eq(find(story, EVENT_DMA, 0)->values[DMA_PA], 0x80012345);
	close_story(story);
}

Test(import_host, page_lines_stand_in_where_the_translation_was_not_traced)
{
	struct story *story = import_text(NULL, "1@1000.000001:vtd_iotlb_page_hit IOTLB page hit "
						"sid 0x28 iova 0xffffd003 slpte 0x1000003 "
						"domain 0x5\n");

	cr_expect_eq(count(story, EVENT_DMA), 1);
	cr_expect_eq(find(story, EVENT_DMA, 0)->values[DMA_PA], 0x1000003);
	close_story(story);
}

Test(import_host, times_in_iso_form_may_lack_their_fraction)
{
	struct story *story = import_text(
		NULL,
		"2026-11-21T00:43:50Z vtd_dmar_fault sid 0x50 fault 6 addr 0x10000000 write 0\n"
		"2026-11-21T00:43:50.139699Z vtd_dmar_fault sid 0x50 fault 5 addr 0x10000001 write "
		"1\n");

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	cr_expect_eq(import_info(story->source)->start_ns, 1795221830000000000);
	cr_expect_eq(find(story, EVENT_DMA, 1)->event.time_ns, 139699000);
	close_story(story);
}

Test(import_host, faults_records_and_their_clearing_are_kept)
{
	struct story *story = import_text(
		NULL, "9@1000.000001:vtd_dmar_fault sid 0x50 fault 6 addr 0x10000004 write 0\n"
		      "9@1000.000002:vtd_frr_new index 0 high 0x40ffff0600000050 low 0x10000000\n"
		      "9@1000.000003:vtd_fsts_ppf FSTS PPF bit set to 1\n"
		      "9@1000.000004:vtd_reg_write addr 0x22c size 0x4 value 0x80000000\n"
		      "9@1000.000005:vtd_reg_write addr 0x34 size 0x4 value 0x83\n"
		      "9@1000.000006:vtd_reg_write addr 0x88 size 0x4 value 0x860\n");
	const struct told *dma = find(story, EVENT_DMA, 0), *fault = find(story, EVENT_FAULT, 0);

	cr_expect_eq(event_verb(&dma->event), DMA_VERB_READ);
	cr_expect_eq(dma->values[DMA_FAULT], 6);
	cr_expect_str_eq(fault->device, "00:0a.0");
	cr_expect_eq(fault->event.addr, 0x10000000);
	cr_expect_eq(fault->values[FAULT_CODE], 6);
	cr_expect_eq(fault->values[FAULT_ACCESS], 0, "read");
	cr_assert_eq(count(story, EVENT_REG), 2);
	cr_expect_eq(find(story, EVENT_REG, 0)->event.addr, 0x22c);
	cr_expect_eq(find(story, EVENT_REG, 1)->values[REG_VALUE], 0x83);
	close_story(story);
}

/* ---- descriptors -------------------------------------------------------------------------- */

struct descriptor_case {
	char name[48];
	uint64_t low, high;
	unsigned invals; /* neutral ones beside the cmd */
	char device[16], domain[16];
	uint64_t present; /* bits of the fields expected, besides src and at */
	uint64_t iova, size;
};

#define FIELD_BIT(field) (1u << (field))

ParameterizedTestParameters(import_host, a_descriptor_becomes_a_command_and_its_neutral_form)
{
	static struct descriptor_case cases[] = {
		{ "IOTLB, everything", 0x12, 0, 1, "", "",
		  FIELD_BIT(INVAL_IOMMU) | FIELD_BIT(INVAL_DRAIN), 0, 0 },
		{ "IOTLB, a domain, draining", 0x700e2, 0, 1, "", "did7", 0, 0, 0 },
		{ "IOTLB, a page", 0x700f2, 0xffffd000, 1, "", "did7", FIELD_BIT(INVAL_SIZE),
		  0xffffd000, 0x1000 },
		{ "IOTLB, a page with hint", 0x700f2, 0xffffd040, 1, "", "did7",
		  FIELD_BIT(INVAL_SIZE) | FIELD_BIT(INVAL_LEAF), 0xffffd000, 0x1000 },
		{ "IOTLB, an aligned block", 0x700f2, 0xffff5004, 1, "", "did7",
		  FIELD_BIT(INVAL_SIZE), 0xffff0000, 0x10000 },
		{ "IOTLB, reserved granularity", 0x700c2, 0, 0, "", "", 0, 0, 0 },
		{ "device TLB, a page", 0x20000000003, 0xffffd000, 1, "02:00.0", "",
		  FIELD_BIT(INVAL_SIZE) | FIELD_BIT(INVAL_ATC), 0xffffd000, 0x1000 },
		{ "device TLB, sized", 0x20000000003, 0xffffb001, 1, "02:00.0", "",
		  FIELD_BIT(INVAL_SIZE) | FIELD_BIT(INVAL_ATC), 0xffff8000, 0x8000 },
		{ "device TLB, everything", 0x20000000003, 0xfffffffffffff001, 1, "02:00.0", "",
		  FIELD_BIT(INVAL_ATC), 0, 0 },
		{ "context, one device", 0x20000000031, 0, 1, "02:00.0", "",
		  FIELD_BIT(INVAL_CONFIG), 0, 0 },
		{ "context, all functions", 0x3020700000031, 0, 1, "02:00.0", "",
		  FIELD_BIT(INVAL_CONFIG), 0, 0 },
		{ "context, global", 0x11, 0, 1, "02:00.0", "", FIELD_BIT(INVAL_CONFIG), 0, 0 },
		{ "context, the domain", 0x70021, 0, 1, "02:00.0", "", FIELD_BIT(INVAL_CONFIG), 0,
		  0 },
		{ "context, another domain", 0x80021, 0, 0, "", "", 0, 0, 0 },
		{ "interrupt entries", 0x1f00000014, 0, 0, "", "", 0, 0, 0 },
	};

	return cr_make_param_array(struct descriptor_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct descriptor_case *c, import_host,
		  a_descriptor_becomes_a_command_and_its_neutral_form)
{
	char host[1024];
	struct story *story;

	snprintf(host, sizeof host,
		 "7@1000.000000:vtd_iotlb_cc_update IOTLB context update bus 0x2 devfn 0x0 high "
		 "0x701 low 0x101b1e001 gen 0 -> gen 1\n"
		 "7@1000.000001:vtd_inv_desc invalidate desc type x high 0x%llx low "
		 "0x%llx\n"
		 "7@1000.000002:vtd_inv_desc invalidate desc type wait high "
		 "0x100042004 low 0x200000025\n"
		 "7@1000.000003:vtd_inv_desc_wait_sw wait invalidate status write "
		 "addr 0x100042004 data 0x2\n",
		 (unsigned long long)c->high, (unsigned long long)c->low);
	story = import_text(NULL, host);
	cr_assert_eq(story->status, 0, "%s: %s", c->name, story->err.text);
	cr_expect_eq(find(story, EVENT_CMD, 0)->values[CMD_W0], c->low, "%s", c->name);
	cr_expect_eq(find(story, EVENT_CMD, 0)->values[CMD_W1], c->high, "%s", c->name);
	cr_expect_eq(count(story, EVENT_DONE), 1, "%s", c->name);
	cr_expect_eq(find(story, EVENT_DONE, 0)->event.time_ns, 3000, "%s", c->name);
	cr_assert_eq(count(story, EVENT_INVAL), c->invals, "%s", c->name);
	if (c->invals) {
		const struct told *inval = find(story, EVENT_INVAL, 0);
		uint64_t rest = FIELD_BIT(INVAL_ID) | FIELD_BIT(FIELD_SRC) | FIELD_BIT(FIELD_AT);

		cr_expect_str_eq(inval->device, c->device, "%s", c->name);
		cr_expect_str_eq(inval->domain, c->domain, "%s", c->name);
		cr_expect_eq(inval->event.present, c->present | rest, "%s: 0x%x", c->name,
			     inval->event.present);
		cr_expect_eq(inval->event.addr, c->iova, "%s", c->name);
		cr_expect_eq(inval->values[INVAL_SIZE], c->size, "%s", c->name);
		cr_expect_eq(inval->values[INVAL_ID], find(story, EVENT_DONE, 0)->values[DONE_ID],
			     "%s", c->name);
		cr_expect_eq(inval->values[FIELD_AT], find(story, EVENT_CMD, 0)->values[FIELD_AT],
			     "%s", c->name);
	}
	close_story(story);
}
