/* Importing both sides of a machine: clocks, order and domains, on lines as programs write them. */
#include <criterion/criterion.h>

#include <string.h>

#include "tests/unit/import_story.h"

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
