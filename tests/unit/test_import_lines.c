/* Importing: the guest's line grammar, and files that are not as they should be. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "tests/unit/import_story.h"
#include "traces/lines.h"

/* ---- the guest's line grammar ------------------------------------------------------------- */

struct prefix_case {
	char name[48];
	char line[200];
};

ParameterizedTestParameters(import_lines, lines_of_any_task_are_understood)
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

ParameterizedTest(struct prefix_case *c, import_lines, lines_of_any_task_are_understood)
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

Test(import_lines, older_kernels_print_no_end_and_hexadecimal_sizes)
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

Test(import_lines, other_events_are_counted_by_name)
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

Test(import_lines, lost_events_are_told)
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

Test(import_lines, markers_are_kept_and_made_printable)
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

Test(import_lines, the_latency_format_is_refused)
{
	struct story *story = import_text("# nop latency trace v1.1.5 on 6.1.0\n", NULL);

	cr_expect_eq(story->status, -1);
	cr_expect(strstr(story->err.text, "nolatency-format"), "%s", story->err.text);
}

/* ---- lines -------------------------------------------------------------------------------- */

Test(import_lines, carriage_returns_do_no_harm)
{
	struct story *story = import_text("# tracer: nop\r\n"
					  " a-1 [000] .... 1.000000: map: IOMMU: iova=0x1000 - "
					  "0x2000 paddr=0x2000 size=4096\r\n",
					  NULL);

	cr_expect_eq(count(story, EVENT_MAP), 1);
	cr_expect_eq(import_info(story->source)->guest.bad, 0);
	close_story(story);
}

Test(import_lines, a_last_line_without_its_end_is_left_out_and_said_to_be)
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

Test(import_lines, a_line_longer_than_a_mebibyte_is_left_out_and_counted)
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

Test(import_lines, compressed_input_is_unpacked_and_a_cut_file_refused)
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

Test(import_lines, files_of_another_kind_are_refused)
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

Test(import_lines, bad_lines_are_counted_unless_strict)
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
