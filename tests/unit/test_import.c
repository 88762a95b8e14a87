/* Importing: line grammar, descriptors, clocks, domains and order, on lines as programs write them. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "tests/unit/import_story.h"
#include "traces/lines.h"

/* The guest's clock begins at 0 when the host's shows 1000 s; these commands tie them. */
#define GUEST_TIES                                                                                 \
	"            init-1       [000] d..1.     1.000000: qi_submit: iec_inv dmar0: 0x14 0x0 "   \
	"0x0 0x0\n"                                                                                \
	"            init-1       [000] d..1.     2.000000: qi_submit: iec_inv dmar0: 0x24 0x0 "   \
	"0x0 0x0\n"
#define HOST_TIES                                                                                  \
	"7@1001.000000:vtd_inv_desc invalidate desc type iec high 0x0 low 0x14\n"                  \
	"7@1002.000000:vtd_inv_desc invalidate desc type iec high 0x0 low 0x24\n"
#define CONTEXT(time, bus, did)                                                                    \
	"7@" time ":vtd_iotlb_cc_update IOTLB context update bus 0x" bus " devfn 0x0 high 0x" did  \
	"01 low 0x101b1e001 gen 0 -> gen 1\n"
#define WALK(time, bus, iova, page, low, did)                                                      \
	"7@" time ":vtd_iotlb_page_update IOTLB page update sid 0x" bus "00 iova 0x" iova low      \
	" slpte 0x" page "003 domain 0x" did "\n"                                                  \
	"7@" time ":vtd_dmar_translate dev 0" bus ":00.00 iova 0x" iova "000 -> gpa 0x" page       \
	"000 mask 0xfff\n"
#define MAP(time, iova, end, pa)                                                                   \
	"     kworker/0:1-44      [000] ....." time ": map: IOMMU: iova=0x00000000" iova           \
	"000 - 0x00000000" end "000 paddr=0x00000000" pa "000 size=4096\n"
#define UNMAP(time, iova, end)                                                                     \
	"     kworker/0:1-44      [000] ....." time ": unmap: IOMMU: iova=0x00000000" iova         \
	"000 - 0x00000000" end "000 size=4096 unmapped_size=4096\n"

/* ---- the guest's line grammar ------------------------------------------------------------- */

struct prefix_case {
	char name[48];
	char line[200];
};

ParameterizedTestParameters(import, lines_of_any_task_are_understood)
{
	static struct prefix_case cases[] = {
		{ "kernel thread", "    kworker/u4:1-25      [000] ..s1.    10.038323: " },
		{ "idle", "          <idle>-0       [001] d.s2.    10.038323: " },
		{ "blanks in the name", "   Web Content x-4711    [000] .....    10.038323: " },
		{ "dashes in the name", " a-b-c--12-3-4711    [000] .....    10.038323: " },
		{ "brackets in the name", "   [1] a [22]-4711    [000] .....    10.038323: " },
		{ "a whole prefix as name", "  a-1 [9] 7.0: b-4711    [000] .....    10.038323: " },
		{ "colons in the name", "    map: IOMMU:-4711    [000] .....    10.038323: " },
		{ "unknown pid", "           <...>-4711    [000] .....    10.038323: " },
		{ "four flags", "              dd-4711    [000] d..1    10.038323: " },
		{ "tgid", "              dd-4711    (   4711) [000] .....    10.038323: " },
		{ "tgid unknown", "              dd-4711    (-------) [000] .....    10.038323: " },
		{ "trace-cmd report", "              dd-4711  [000]    10.038323: " },
		{ "perf script", "              dd  4711 [000]    10.038323: iommu:" },
		{ "perf script, pid and tid",
		  "              dd  4711/4711 [000]    10.038323: iommu:" },
		{ "nine digits", "              dd-4711  [000]    10.038323000: " },
		{ "trimmed", "dd-4711 [000] ..... 10.038323: " },
	};

	return cr_make_param_array(struct prefix_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct prefix_case *c, import, lines_of_any_task_are_understood)
{
	char text[512];
	struct story *story;
	const struct told *map;

	snprintf(text, sizeof text,
		 "%smap: IOMMU: iova=0x00000000fffff000 - 0x0000000100000000 "
		 "paddr=0x000000011c72a000 "
		 "size=4096\n",
		 c->line);
	story = import_text(text, NULL);
	cr_assert_eq(story->status, 0, "%s: %s", c->name, story->err.text);
	map = find(story, EVENT_MAP, 0);
	cr_expect_eq(map->event.addr, 0xfffff000, "%s", c->name);
	cr_expect_eq(map->values[MAP_PA], 0x11c72a000, "%s", c->name);
	cr_expect_eq(map->values[MAP_SIZE], 4096, "%s", c->name);
	cr_expect_eq(map->values[FIELD_AT], 1, "%s", c->name);
	cr_expect_eq(import_info(story->source)->start_ns, 10038323000, "%s", c->name);
	close_story(story);
}

Test(import, older_kernels_print_no_end_and_hexadecimal_sizes)
{
	struct story *story = import_text(
		" a-1 [000] .... 1.000000: map: IOMMU: iova=0x1000 paddr=0x2000 size=0x3000\n"
		" a-1 [000] .... 1.000001: unmap: IOMMU: iova=0x1000 size=12288 "
		"unmapped_size=4096\n",
		NULL);

	cr_assert_eq(story->status, 0);
	cr_expect_eq(find(story, EVENT_MAP, 0)->values[MAP_SIZE], 0x3000);
	cr_expect_eq(find(story, EVENT_UNMAP, 0)->values[UNMAP_DONE], 4096);
	close_story(story);
}

Test(import, other_events_are_counted_by_name)
{
	struct story *story = import_text(
		" a-1 [000] .... 1.000000: fq_ring_free: (fq_ring_free+0x0/0xa0)\n"
		" a-1 [000] .... 1.000000: fq_ring_free: (fq_ring_free+0x0/0xa0)\n"
		" a-1 [000] .... 1.000000: map: something else of this name\n"
		" a-1 [000] .... 1.000000: dma_map_page: (iommu_dma_map_page+0x0/0x260) dev=\"0\"\n"
		" a-1 [000] .... 1.000001: map: IOMMU: iova=0x1000 - 0x2000 paddr=0x2000 "
		"size=4096\n",
		NULL);
	const struct import_side *guest = &import_info(story->source)->guest;

	cr_expect_eq(guest->skipped_names, 3);
	cr_expect_str_eq(guest->skipped[0].name, "fq_ring_free");
	cr_expect_eq(guest->skipped[0].count, 2);
	cr_expect_eq(guest->used, 1);
	cr_expect_eq(guest->bad, 0);
	close_story(story);
}

Test(import, lost_events_are_told)
{
	struct story *story = import_text("# entries-in-buffer/entries-written: 10/17   #P:2\n"
					  " a-1 [000] .... 1.000000: map: IOMMU: iova=0x1000 - "
					  "0x2000 paddr=0x2000 size=4096\n"
					  "CPU:1 [LOST 12 EVENTS]\n"
					  "CPU:0 [LOST EVENTS]\n"
					  "CPU:1 [3 EVENTS DROPPED]\n"
					  "##### CPU 1 buffer started ####\n",
					  NULL);

	cr_assert_eq(count(story, EVENT_LOST), 4);
	cr_expect_eq(find(story, EVENT_LOST, 0)->values[LOST_COUNT], 7);
	cr_expect_eq(find(story, EVENT_LOST, 1)->values[LOST_COUNT], 12);
	cr_expect_eq(find(story, EVENT_LOST, 1)->values[FIELD_CPU], 1);
	cr_expect(!event_has(&find(story, EVENT_LOST, 2)->event, LOST_COUNT));
	cr_expect_eq(find(story, EVENT_LOST, 3)->values[LOST_COUNT], 3);
	cr_expect_eq(import_info(story->source)->guest.bad, 0);
	close_story(story);
}

Test(import, markers_are_kept_and_made_printable)
{
	static const char text[] =
		" a-1 [000] .... 1.000000: tracing_mark_write: SYNC start1 \n"
		" a-1 [000] .... 1.000001: print: tracing_mark_write: PHASE a\0b\n";
	struct story *story = import_bytes(text, sizeof text - 1, NULL, 0,
					   (struct import_options){ .guest = NULL });
	const struct names *names = story->source->names;

	cr_expect_str_eq(names_text(names, (uint32_t)find(story, EVENT_MARK, 0)->values[MARK_TEXT]),
			 "SYNC start1");
	cr_expect_str_eq(names_text(names, (uint32_t)find(story, EVENT_MARK, 1)->values[MARK_TEXT]),
			 "PHASE a.b");
	close_story(story);
}

Test(import, the_latency_format_is_refused)
{
	struct story *story = import_text("# nop latency trace v1.1.5 on 6.1.0\n", NULL);

	cr_expect_eq(story->status, -1);
	cr_expect(strstr(story->err.text, "nolatency-format"), "%s", story->err.text);
}

/* ---- lines -------------------------------------------------------------------------------- */

Test(import, carriage_returns_do_no_harm)
{
	struct story *story = import_text("# tracer: nop\r\n"
					  " a-1 [000] .... 1.000000: map: IOMMU: iova=0x1000 - "
					  "0x2000 paddr=0x2000 size=4096\r\n",
					  NULL);

	cr_expect_eq(count(story, EVENT_MAP), 1);
	cr_expect_eq(import_info(story->source)->guest.bad, 0);
	close_story(story);
}

Test(import, a_last_line_without_its_end_is_left_out_and_said_to_be)
{
	struct story *story = import_text(
		" a-1 [000] .... 1.000000: map: IOMMU: iova=0x1000 - 0x2000 paddr=0x2000 "
		"size=4096\n"
		" a-1 [000] .... 1.000000: map: IOMMU: iova=0x3000 - 0x4000 paddr=0x2000 size=40",
		NULL);

	cr_expect_eq(count(story, EVENT_MAP), 1);
	cr_expect(import_info(story->source)->guest.cut);
	close_story(story);
}

Test(import, a_line_longer_than_a_mebibyte_is_left_out_and_counted)
{
	static const char map[] = " a-1 [000] .... 1.000000: map: IOMMU: iova=0x1000 - 0x2000 "
				  "paddr=0x2000 size=4096\n";
	size_t room = 3 * LINE_MAX_BYTES, n = 0;
	char *text = malloc(room);
	struct story *story;

	cr_assert(text);
	memcpy(text, map, sizeof map - 1);
	n += sizeof map - 1;
	memset(text + n, 'x', LINE_MAX_BYTES + 1);
	n += LINE_MAX_BYTES + 1;
	text[n++] = '\n';
	memset(text + n, 0, LINE_MAX_BYTES);
	n += LINE_MAX_BYTES;
	text[n++] = '\n';
	memcpy(text + n, map, sizeof map - 1);
	n += sizeof map - 1;
	story = import_bytes(text, n, NULL, 0, (struct import_options){ .guest = NULL });
	cr_expect_eq(count(story, EVENT_MAP), 2);
	cr_expect_eq(import_info(story->source)->guest.too_long, 1);
	cr_expect_eq(import_info(story->source)->guest.bad, 1, "the line of exactly 1 MiB of NULs");
	cr_expect_eq(import_info(story->source)->guest.lines, 4);
	close_story(story);
	free(text);
}

Test(import, compressed_input_is_unpacked_and_a_cut_file_refused)
{
	static const char map[] = " a-1 [000] .... 1.000000: map: IOMMU: iova=0x1000 - 0x2000 "
				  "paddr=0x2000 size=4096\n";
	char packed[512];
	size_t n = ZSTD_compress(packed, sizeof packed, map, sizeof map - 1, 3);
	struct story *story =
		import_bytes(packed, n, NULL, 0, (struct import_options){ .guest = NULL });

	cr_assert(!ZSTD_isError(n));
	cr_expect_eq(count(story, EVENT_MAP), 1);
	close_story(story);
	story = import_bytes(packed, n - 3, NULL, 0, (struct import_options){ .guest = NULL });
	cr_expect_eq(story->status, -1);
	cr_expect(strstr(story->err.text, "ends inside its zstd data"), "%s", story->err.text);
}

Test(import, files_of_another_kind_are_refused)
{
	struct story *story = import_text("\x1f\x8b\x08 gzip", NULL);

	cr_expect_eq(story->status, -1);
	cr_expect(strstr(story->err.text, "gzip"));
	story = import_text("just text\n", NULL);
	cr_expect_eq(story->status, -1);
	cr_expect(strstr(story->err.text, "line 1: expected TASK-PID"), "%s", story->err.text);
	story = import_text("", NULL);
	cr_expect_eq(story->status, -1);
	story = import_text(NULL,
			    "7@1000.0:amdvi_iotlb_hit hit iotlb devid 00:01.0 gpa 0x0 hpa 0x0\n");
	cr_expect_eq(story->status, -1);
	cr_expect(strstr(story->err.text, "amdvi_iotlb_hit"), "%s", story->err.text);
	story = import_text(NULL, "vtd_inv_qi_fetch \n");
	cr_expect_eq(story->status, -1);
	cr_expect(strstr(story->err.text, "-msg timestamp=on"), "%s", story->err.text);
}

Test(import, bad_lines_are_counted_unless_strict)
{
	static const char text[] = " a-1 [000] .... 1.000000: map: IOMMU: iova=0x1000 - 0x2000 "
				   "paddr=0x2000 size=4096\n"
				   " a-1 [000] .... 1.000000: map: IOMMU: iova=0x1000 - 0x2000 "
				   "paddr=0x2000 size=8192\n";
	struct story *story = import_text(text, NULL);

	cr_expect_eq(import_info(story->source)->guest.bad, 1);
	cr_expect(strstr(import_info(story->source)->guest.first_bad,
			 "line 2: expected map: IOMMU:"));
	close_story(story);
	story = import_bytes(text, sizeof text - 1, NULL, 0,
			     (struct import_options){ .strict = true });
	cr_expect_eq(story->status, -1);
	cr_expect(strstr(story->err.text, "line 2"), "%s", story->err.text);
}

/* ---- the host's lines ------------------------------------------------------------------------ */

Test(import, a_translation_is_one_request_with_its_exact_address)
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

Test(import, lines_of_other_threads_may_stand_between)
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

Test(import, functions_are_hexadecimal_and_large_pages_keep_their_low_bits)
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

Test(import, page_lines_stand_in_where_the_translation_was_not_traced)
{
	struct story *story = import_text(NULL, "1@1000.000001:vtd_iotlb_page_hit IOTLB page hit "
						"sid 0x28 iova 0xffffd003 slpte 0x1000003 "
						"domain 0x5\n");

	cr_expect_eq(count(story, EVENT_DMA), 1);
	cr_expect_eq(find(story, EVENT_DMA, 0)->values[DMA_PA], 0x1000003);
	close_story(story);
}

Test(import, times_in_iso_form_may_lack_their_fraction)
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

Test(import, faults_records_and_their_clearing_are_kept)
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

ParameterizedTestParameters(import, a_descriptor_becomes_a_command_and_its_neutral_form)
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

ParameterizedTest(struct descriptor_case *c, import,
		  a_descriptor_becomes_a_command_and_its_neutral_form)
{
	char host[1024];
	struct story *story;

	snprintf(host, sizeof host,
		 CONTEXT("1000.000000", "2",
			 "7") "7@1000.000001:vtd_inv_desc invalidate desc type x high 0x%llx low "
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

/* ---- clocks --------------------------------------------------------------------------------- */

Test(import, a_command_is_issued_by_the_guest_and_done_on_the_host)
{
	struct story *story = import_text(
		GUEST_TIES,
		"7@0999.000000:vtd_inv_desc invalidate desc type iec high 0x0 low 0x34\n" HOST_TIES
		"7@1002.000100:vtd_inv_desc_wait_sw wait invalidate status write addr 0x0 data "
		"0x2\n");
	const struct import_info *info;

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	info = import_info(story->source);
	cr_expect_eq(info->paired, 2);
	cr_expect_eq(info->host_commands_before, 1);
	cr_expect_eq(info->commands_before_start, 1);
	cr_expect_str_eq(info->clock_from, "commands");
	cr_expect_eq(info->uncertainty_ns, 10000);
	cr_expect_eq(count(story, EVENT_CMD), 2);
	cr_expect_eq(find(story, EVENT_CMD, 1)->event.time_ns, 1000000000);
	cr_expect_eq(find(story, EVENT_CMD, 1)->values[FIELD_SRC], 0);
	cr_expect_eq(count(story, EVENT_DONE), 2);
	cr_expect_eq(find(story, EVENT_DONE, 1)->event.time_ns, 1000100000);
	cr_expect_eq(find(story, EVENT_DONE, 1)->values[DONE_ID], 2);
	close_story(story);
}

Test(import, ticks_are_mapped_by_the_commands)
{
	struct story *story = import_text(
		" a-1 [000] .... 2596160000: qi_submit: iec_inv dmar0: 0x14 0x0 0x0 0x0\n"
		" a-1 [000] .... 3894240000: map: IOMMU: iova=0x1000 - 0x2000 paddr=0x2000 "
		"size=4096\n"
		" a-1 [000] .... 5192320000: qi_submit: iec_inv dmar0: 0x24 0x0 0x0 0x0\n",
		HOST_TIES);
	uint64_t time;

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	time = find(story, EVENT_MAP, 0)->event.time_ns;
	cr_expect(time > 499999990 && time < 500000010, "%llu", (unsigned long long)time);
	close_story(story);
}

Test(import, ticks_alone_need_their_rate)
{
	static const char guest[] =
		" a-1 [000] .... 2000: map: IOMMU: iova=0x1000 - 0x2000 paddr=0x2000 size=4096\n"
		" a-1 [000] .... 4000: unmap: IOMMU: iova=0x1000 - 0x2000 size=4096 "
		"unmapped_size=4096\n";
	struct story *story = import_text(guest, NULL);

	cr_expect_eq(story->status, -1);
	cr_expect(strstr(story->err.text, "ticks per second"), "%s", story->err.text);
	story = import_bytes(guest, sizeof guest - 1, NULL, 0,
			     (struct import_options){ .guest_hz = 2e9 });
	cr_assert_eq(story->status, 0);
	cr_expect_eq(find(story, EVENT_UNMAP, 0)->event.time_ns, 1000);
	close_story(story);
}

Test(import, marks_tie_the_clocks_where_there_are_no_commands)
{
	struct story *story =
		import_text(" a-1 [000] .... 1.000000: tracing_mark_write: SYNC start1\n"
			    " a-1 [000] .... 2.000000: tracing_mark_write: SYNC start2\n",
			    "7@0500.000000:vtd_reg_read addr 0x0 size 0x4\n"
			    "7@1001.003000:vtd_reg_read addr 0x0 size 0x4\n"
			    "7@1002.000020:vtd_reg_read addr 0x0 size 0x4\n"
			    "7@1002.000030:vtd_reg_read addr 0x34 size 0x4\n");

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	cr_expect_str_eq(import_info(story->source)->clock_from, "marks");
	close_story(story);
}

Test(import, commands_that_differ_are_named_on_both_sides)
{
	struct story *story = import_text(
		GUEST_TIES,
		"7@1001.000000:vtd_inv_desc invalidate desc type iec high 0x0 low 0x14\n"
		"7@1002.000000:vtd_inv_desc invalidate desc type iec high 0x0 low 0x99\n");

	cr_expect_eq(story->status, -1);
	cr_expect(strstr(story->err.text, "after 1 equal ones the log has 0x99 0x0"), "%s",
		  story->err.text);
	cr_expect(strstr(story->err.text, ":2 0x24 0x0"), "%s", story->err.text);
	story = import_text(
		GUEST_TIES,
		"7@1001.000000:vtd_inv_desc invalidate desc type iec high 0x0 low 0x14\n");
	cr_expect_eq(story->status, -1);
	cr_expect(strstr(story->err.text, "the log ends"), "%s", story->err.text);
}

Test(import, the_line_runs_along_the_lower_edge)
{
	char guest[8192] = "", host[8192] = "";
	size_t guest_n = 0, host_n = 0;
	struct story *story;

	/* Delays of 5 us, but every third command waits for its virtual CPU. */
	for (unsigned i = 0; i < 60; i++) {
		guest_n += (size_t)snprintf(
			guest + guest_n, sizeof guest - guest_n,
			" a-1 [000] .... %u.000000: qi_submit: iec_inv dmar0: 0x%x04 0x0 0x0 0x0\n",
			i + 1, i);
		host_n += (size_t)snprintf(
			host + host_n, sizeof host - host_n,
			"7@%u.%06u:vtd_inv_desc invalidate desc type iec high 0x0 low 0x%x04\n",
			i + 1001, i % 3 ? 5u : 9000u, i);
	}
	story = import_text(guest, host);
	cr_assert_eq(story->status, 0, "%s", story->err.text);
	cr_expect_eq(import_info(story->source)->residual_p50, 0);
	cr_expect_eq(import_info(story->source)->residual_max, 8995000);
	cr_expect_eq(import_info(story->source)->uncertainty_ns, 10000);
	close_story(story);
}

/* ---- order ---------------------------------------------------------------------------------- */

Test(import, a_map_comes_before_the_walk_that_found_it)
{
	struct story *story =
		import_text(GUEST_TIES MAP("     3.000008", "ffffd", "ffffe", "01000")
				    MAP("     3.000008", "ffffe", "fffff", "02000"),
			    HOST_TIES CONTEXT("1003.000000", "2", "7")
				    WALK("1003.000001", "2", "ffffe", "2000", "010", "7"));
	const struct import_info *info;

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	info = import_info(story->source);
	cr_expect_eq(info->moved, 2, "the map before it goes along");
	cr_expect_eq(info->moved_max_ns, 7000);
	cr_expect_eq(info->moved_far, 0);
	cr_expect_lt(find(story, EVENT_MAP, 0), find(story, EVENT_DMA, 0));
	cr_expect_eq(find(story, EVENT_MAP, 0)->event.time_ns,
		     find(story, EVENT_DMA, 0)->event.time_ns);
	close_story(story);
}

Test(import, nothing_moves_farther_than_the_clocks_are_uncertain)
{
	struct story *story =
		import_text(GUEST_TIES MAP("     3.000012", "ffffe", "fffff", "02000"),
			    HOST_TIES CONTEXT("1003.000000", "2", "7")
				    WALK("1003.000001", "2", "ffffe", "2000", "010", "7"));

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	cr_expect_eq(import_info(story->source)->moved, 0);
	cr_expect_gt(find(story, EVENT_MAP, 0), find(story, EVENT_DMA, 0));
	close_story(story);
}

Test(import, a_walk_before_an_unmap_belongs_to_the_older_mapping)
{
	struct story *story =
		import_text(GUEST_TIES MAP("     2.500000", "ffffe", "fffff", "02000")
				    UNMAP("     3.000003", "ffffe", "fffff")
					    MAP("     3.000005", "ffffe", "fffff", "02000"),
			    HOST_TIES CONTEXT("1003.000000", "2", "7")
				    WALK("1003.000001", "2", "ffffe", "2000", "010", "7"));

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	cr_expect_eq(import_info(story->source)->moved, 0);
	cr_expect_lt(find(story, EVENT_DMA, 0), find(story, EVENT_UNMAP, 0));
	close_story(story);
}

Test(import, steps_back_are_flattened_flagged_and_counted)
{
	struct story *story = import_text(" a-1 [000] .... 1.000005: map: IOMMU: iova=0x1000 - "
					  "0x2000 paddr=0x2000 size=4096\n"
					  " a-1 [001] .... 1.000002: map: IOMMU: iova=0x3000 - "
					  "0x4000 paddr=0x2000 size=4096\n",
					  NULL);

	cr_expect_eq(find(story, EVENT_MAP, 1)->event.time_ns, 0);
	cr_expect(find(story, EVENT_MAP, 1)->event.flags & EVENT_FLAG_CLAMPED);
	cr_expect(!(find(story, EVENT_MAP, 0)->event.flags & EVENT_FLAG_CLAMPED));
	cr_expect_eq(import_info(story->source)->guest.backward, 1);
	close_story(story);
}

Test(import, what_follows_the_guests_recording_is_marked_as_lost)
{
	struct story *story = import_text(
		GUEST_TIES, HOST_TIES
		"7@1003.000000:vtd_inv_desc invalidate desc type iotlb high 0x0 low 0x700e2\n");

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	cr_expect_eq(import_info(story->source)->host_commands_after, 1);
	cr_expect_eq(count(story, EVENT_LOST), 1);
	cr_expect_eq(count(story, EVENT_CMD), 3);
	close_story(story);
}

/* ---- domains --------------------------------------------------------------------------------- */

Test(import, the_hosts_answer_tells_whose_mapping_it_is)
{
	struct story *story = import_text(
		GUEST_TIES MAP("     3.000000", "ffffe", "fffff", "01000")
			MAP("     3.000100", "ffffe", "fffff", "02000")
				UNMAP("     3.001000", "ffffe", "fffff"),
		HOST_TIES CONTEXT("1002.000000", "1", "9") CONTEXT("1002.000000", "2", "a")
			WALK("1003.000500", "2", "ffffe", "1000", "010", "a")
				WALK("1003.000510", "1", "ffffe", "2000", "010", "9"));
	const struct told *first;

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	first = find(story, EVENT_MAP, 0);
	cr_expect_str_eq(first->domain, "did10");
	cr_expect_eq(first->values[MAP_PERM], 3);
	cr_expect_eq(event_class(&first->event), CLASS_DERIVED);
	cr_expect_str_eq(find(story, EVENT_MAP, 1)->domain, "did9");
	cr_expect_eq(import_info(story->source)->maps[HOW_ANSWER], 2);
	cr_expect_eq(import_info(story->source)->unmaps[HOW_LIKELY], 1);
	cr_expect_eq(event_class(&find(story, EVENT_UNMAP, 0)->event), CLASS_INFERRED);
	close_story(story);
}

Test(import, a_flush_by_the_same_task_tells_whose_unmap_it_was)
{
	struct story *story = import_text(
		GUEST_TIES MAP("     3.000000", "ffffe", "fffff", "01000")
			MAP("     3.000100", "ffffe", "fffff", "02000")
				UNMAP("     3.001000", "ffffe",
				      "fffff") "     kworker/0:1-44      [000] ..... 3.001001: "
					       "qi_submit: iotlb_inv dmar0: 0xa00f2 0xffffe000 "
					       "0x0 0x0\n",
		HOST_TIES CONTEXT("1002.000000", "1", "9") CONTEXT("1002.000000", "2", "a")
			WALK("1003.000500", "2", "ffffe", "1000", "010", "a")
				WALK("1003.000510", "1", "ffffe", "2000", "010",
				     "9") "7@1003.001001:vtd_inv_desc invalidate desc type iotlb "
					  "high 0xffffe000 low 0xa00f2\n");

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	cr_expect_str_eq(find(story, EVENT_UNMAP, 0)->domain, "did10");
	cr_expect_eq(import_info(story->source)->unmaps[HOW_COMMAND], 1);
	cr_expect_eq(event_class(&find(story, EVENT_UNMAP, 0)->event), CLASS_DERIVED);
	close_story(story);
}

Test(import, an_interrupts_own_unmap_and_flush_pair_like_brackets)
{
	struct story *story =
		import_text(GUEST_TIES UNMAP("     3.001000", "ffffe", "fffff")
				    UNMAP("     3.001001", "ffffe",
					  "fffff") "     kworker/0:1-44      [000] ..... 3.001002: "
						   "qi_submit: iotlb_inv dmar0: 0xa00f2 0xffffe000 "
						   "0x0 0x0\n"
						   "     kworker/0:1-44      [000] ..... 3.001003: "
						   "qi_submit: iotlb_inv dmar0: 0x900f2 0xffffe000 "
						   "0x0 0x0\n",
			    NULL);

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	cr_expect_str_eq(find(story, EVENT_UNMAP, 0)->domain, "did9");
	cr_expect_str_eq(find(story, EVENT_UNMAP, 1)->domain, "did10");
	close_story(story);
}

Test(import, dma_events_name_the_device_of_the_mappings_beside_them)
{
	struct story *story = import_text(
		GUEST_TIES
		" a-1 [000] .... 3.000000: map: IOMMU: iova=0xffe4c000 - 0xffe4d000 "
		"paddr=0x1103b4000 size=4096\n"
		" a-1 [000] .... 3.000001: map: IOMMU: iova=0xffe4d000 - 0xffe4e000 "
		"paddr=0x11052e000 size=4096\n"
		" a-1 [000] .... 3.000002: dma_map_sg: 0000:01:00.0 dir=FROM_DEVICE nents=2/2 "
		"ents=1/1 "
		"dma_addrs={0xffe4c000} sizes={0x2000} phys_addrs={0x1103b4000,0x11052e000} "
		"attrs=NO_WARN\n"
		" b-2 [001] .... 3.000003: map: IOMMU: iova=0xffffd000 - 0xffffe000 "
		"paddr=0x1014a9000 size=4096\n"
		" b-2 [001] .... 3.000004: dma_map_page: 0000:02:00.0 dir=FROM_DEVICE "
		"dma_addr=ffffd000 size=4096 "
		"phys_addr=1014a9000 attrs=\n"
		" a-1 [000] .... 3.000005: dma_unmap_sg: 0000:01:00.0 dir=FROM_DEVICE "
		"phys_addrs={0x1103b4000} "
		"attrs=\n"
		" a-1 [000] .... 3.000006: unmap: IOMMU: iova=0xffe4c000 - 0xffe4e000 size=8192 "
		"unmapped_size=8192\n"
		" b-2 [001] .... 3.000007: unmap: IOMMU: iova=0xffffd000 - 0xffffe000 size=4096 "
		"unmapped_size=4096\n"
		" b-2 [001] .... 3.000008: dma_unmap_page: 0000:02:00.0 dir=FROM_DEVICE "
		"dma_addr=ffffd000 "
		"size=4096 attrs=\n",
		HOST_TIES CONTEXT("1002.000000", "1", "9") CONTEXT("1002.000000", "2", "a"));
	const struct import_info *info;

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	info = import_info(story->source);
	cr_expect_eq(info->maps[HOW_DEVICE], 3);
	cr_expect_eq(info->unmaps[HOW_DEVICE], 2);
	cr_expect_str_eq(find(story, EVENT_MAP, 1)->domain, "did9");
	cr_expect_str_eq(find(story, EVENT_MAP, 2)->domain, "did10");
	cr_expect_str_eq(find(story, EVENT_UNMAP, 0)->domain, "did9");
	cr_expect_str_eq(find(story, EVENT_UNMAP, 1)->domain, "did10");
	close_story(story);
}

Test(import, pieces_of_a_scatter_list_share_what_is_known_of_one)
{
	struct story *story = import_text(
		GUEST_TIES MAP("     3.000000", "ffffd", "ffffe", "01000")
			MAP("     3.000001", "ffffe", "fffff",
			    "05000") "     kworker/0:1-44      [000] ..... 3.000500: unmap: IOMMU: "
				     "iova=0xffffd000 - 0xfffff000 "
				     "size=8192 unmapped_size=8192\n",
		HOST_TIES CONTEXT("1002.000000", "1", "9") CONTEXT("1002.000000", "2", "a")
			WALK("1003.000100", "2", "ffffe", "5000", "010", "a"));

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	cr_expect_str_eq(find(story, EVENT_MAP, 0)->domain, "did10");
	cr_expect_str_eq(find(story, EVENT_UNMAP, 0)->domain, "did10");
	cr_expect_eq(import_info(story->source)->unmaps[HOW_PAIRED], 1);
	close_story(story);
}

Test(import, what_nothing_tells_goes_to_the_unknown_domain)
{
	struct story *story = import_text(" a-1 [000] .... 1.000000: map: IOMMU: iova=0x1000 - "
					  "0x2000 paddr=0x2000 size=4096\n",
					  NULL);

	cr_expect_str_eq(find(story, EVENT_MAP, 0)->domain, "did-unknown");
	cr_expect_eq(event_class(&find(story, EVENT_MAP, 0)->event), CLASS_INFERRED);
	cr_expect_eq(import_info(story->source)->maps[HOW_NONE], 1);
	close_story(story);
}

Test(import, a_device_whose_context_changes_is_attached_anew)
{
	struct story *story = import_text(NULL, CONTEXT("1000.000000", "2", "7")
							CONTEXT("1001.000000", "2", "8"));

	cr_assert_eq(story->status, 0);
	cr_expect_eq(count(story, EVENT_ATTACH), 2);
	cr_expect_eq(count(story, EVENT_DETACH), 1);
	cr_expect_str_eq(find(story, EVENT_ATTACH, 0)->domain, "did7");
	cr_expect_eq(event_class(&find(story, EVENT_ATTACH, 0)->event), CLASS_INFERRED);
	cr_expect_eq(find(story, EVENT_ATTACH, 1)->event.time_ns, 1000000000);
	cr_expect_str_eq(find(story, EVENT_ATTACH, 1)->domain, "did8");
	close_story(story);
}

Test(import, a_device_seen_after_its_context_was_invalidated_is_attached_there)
{
	struct story *story = import_text(
		GUEST_TIES
		" a-1 [000] .... 3.000000: qi_submit: cc_inv dmar0: 0x20000000031 0x0 0x0 0x0\n",
		HOST_TIES "7@1003.000002:vtd_inv_desc invalidate desc type cc high 0x0 low "
			  "0x20000000031\n" CONTEXT("1004.000000", "2", "7"));

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	cr_expect_eq(count(story, EVENT_ATTACH), 1);
	cr_expect_eq(find(story, EVENT_ATTACH, 0)->event.time_ns, 2000000000);
	close_story(story);
}

Test(import, meta_says_where_the_events_come_from)
{
	struct story *story = import_text(GUEST_TIES, HOST_TIES);
	const char *meta = import_meta(story->source);

	cr_expect(strstr(meta, "source.kind = import\n"));
	cr_expect(strstr(meta, "clock.uncertainty_ns = 10000\n"));
	cr_expect(strstr(meta, "clock.paired = 2\n"));
	cr_expect(strstr(meta, "import.guest.used = 2\n"));
	close_story(story);
}
