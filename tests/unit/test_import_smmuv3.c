/* Importing QEMU's SMMUv3 log: accesses, commands, faults, brackets, on lines as QEMU writes them. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "tests/unit/import_story.h"

/* The guest's clock begins at 0 when the host's shows 1000 s; brackets of 20 us tie them. */
#define BRACKET(second)                                                                            \
	"           gtool-103     [000] ..... " second                                             \
	".000000: tracing_mark_write: clksync start "                                              \
	"0 before mono=1\n"                                                                        \
	"           gtool-103     [000] ..... " second                                             \
	".000020: tracing_mark_write: clksync start "                                              \
	"0 after val=0x0\n"
#define READ(time) "9@" time ":smmuv3_read_mmio addr: 0x18 val:0x0 size: 0x4(0)\n"
#define GUEST BRACKET("1") BRACKET("2")
#define HOST READ("1001.000010") READ("1002.000010")
#define MAP(time, iova, end, pa)                                                                   \
	"     kworker/0:1-44      [000] ..... " time ": map: IOMMU: iova=0x00000000" iova          \
	"000 - 0x00000000" end "000 paddr=0x00000000" pa "000 size=4096\n"
#define UNMAP(time, iova, end)                                                                     \
	"     kworker/0:1-44      [000] ..... " time ": unmap: IOMMU: iova=0x00000000" iova        \
	"000 - 0x00000000" end "000 size=4096 unmapped_size=4096\n"
/* A walk as QEMU 7.2 tells it, and one of 10.0. */
#define WALK72(time, sid, asid, iova, low, page)                                                   \
	"7@" time ":smmuv3_config_cache_hit Config cache HIT for sid=0x" sid                       \
	" (hits=1, misses=1, hit rate=50)\n"                                                       \
	"7@" time ":smmu_iotlb_lookup_miss IOTLB cache MISS asid=" asid " addr=0x" iova            \
	"000 hit=0 miss=1 hit rate=0\n"                                                            \
	"7@" time ":smmu_ptw_page_pte stage=1 level=3 iova=0x" iova                                \
	"000 base@=0x46551000 pte@=0x46551fd8 pte=0x464f4f47 page address = 0x" page "000\n"       \
	"7@" time ":smmu_iotlb_insert IOTLB ++ asid=" asid " addr=0x" iova "000 tg=1 level=3\n"    \
	"7@" time ":smmuv3_translate_success smmuv3-iommu-memory-region-16-2 sid=0x" sid           \
	" iova=0x" iova low " translated=0x" page low " perm=0x3\n"
#define WALK100(time, sid, ids, iova, low, page, stage)                                            \
	"7@" time ":smmuv3_config_cache_hit Config cache HIT for sid=0x" sid                       \
	" (hits=1, misses=1, hit rate=50)\n"                                                       \
	"7@" time ":smmu_iotlb_lookup_miss IOTLB cache MISS " ids " addr=0x" iova low              \
	" hit=0 miss=1 hit rate=0\n"                                                               \
	"7@" time ":smmu_ptw_page_pte stage=" stage " level=3 iova=0x" iova                        \
	"000 base@=0x46551000 pte@=0x46551fd8 pte=0x464f4f47 page address = 0x" page "000\n"       \
	"7@" time ":smmuv3_translate_success smmuv3-iommu-memory-region-16-2 sid=0x" sid           \
	" iova=0x" iova low " translated=0x" page low " perm=0x1 stage=" stage "\n"
#define COMMAND(time, name, lines)                                                                 \
	"9@" time ":smmuv3_cmdq_consume prod=70 cons=68 prod.wrap=0 cons.wrap=0\n"                 \
	"9@" time ":smmuv3_cmdq_opcode <--- SMMU_CMD_" name "\n" lines
#define SYNC(time)                                                                                 \
	COMMAND(time, "SYNC", "")                                                                  \
	"9@" time ":smmuv3_cmdq_consume_out prod:70, cons:70, prod_wrap:0, cons_wrap:0 \n"         \
	"9@" time ":smmuv3_write_mmio addr: 0x98 val:0x46 size: 0x4(0)\n"

/* ---- accesses -------------------------------------------------------------------------- */

Test(import_smmuv3, a_translation_is_one_request_with_its_exact_address)
{
	struct story *story = import_text(
		NULL, WALK72("1000.000000", "10", "1", "ffffb", "002", "464f4") WALK100(
			      "1000.000100", "18", "asid=2 vmid=0", "ffffc", "f40", "464f5", "1"));
	const struct told *first, *second;

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	cr_expect_eq(import_info(story->source)->answers, 2);
	cr_expect_eq(import_info(story->source)->walks, 2);
	cr_expect_eq(import_info(story->source)->host.bad, 0);
	first = find(story, EVENT_DMA, 0);
	cr_expect_str_eq(first->device, "00:02.0");
	cr_expect_eq(first->event.addr, 0xffffb002);
	cr_expect_eq(first->values[DMA_PA], 0x464f4002);
	cr_expect_eq(event_verb(&first->event), DMA_VERB_ANY);
	cr_expect_eq(first->values[FIELD_AT], 2, "the look-up's line");
	second = find(story, EVENT_DMA, 1);
	cr_expect_str_eq(second->device, "00:03.0");
	cr_expect_eq(second->event.addr, 0xffffcf40);
	cr_expect_str_eq(find(story, EVENT_ATTACH, 0)->domain, "asid1");
	cr_expect_str_eq(find(story, EVENT_ATTACH, 1)->domain, "asid2");
	cr_expect_eq(find(story, EVENT_DOMAIN, 1)->values[DOMAIN_ASID], 2);
	close_story(story);
}

Test(import_smmuv3, without_an_asid_the_space_is_the_vmids_stage_2)
{
	struct story *story = import_text(
		NULL, WALK100("1000.000000", "10", "asid=-1 vmid=3", "ffffb", "002", "464f4", "2"));
	const struct told *domain;

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	domain = find(story, EVENT_DOMAIN, 0);
	cr_expect_eq(domain->values[DOMAIN_VMID], 3);
	cr_expect(!event_has(&domain->event, DOMAIN_ASID));
	cr_expect_str_eq(find(story, EVENT_ATTACH, 0)->domain, "vmid3");
	close_story(story);
}

Test(import_smmuv3, lines_of_other_threads_may_stand_between)
{
	struct story *story = import_text(
		NULL,
		"1@1000.000000:smmuv3_config_cache_hit Config cache HIT for sid=0x10 (hits=1, "
		"misses=1, hit rate=50)\n"
		"2@1000.000000:smmuv3_config_cache_hit Config cache HIT for sid=0x18 (hits=1, "
		"misses=1, hit rate=50)\n"
		"1@1000.000001:smmu_iotlb_lookup_hit IOTLB cache HIT asid=1 addr=0xffffb000 "
		"hit=1 miss=1 hit rate=50\n"
		"2@1000.000001:smmu_iotlb_lookup_miss IOTLB cache MISS asid=2 "
		"addr=0xffffc000 hit=1 miss=1 hit rate=50\n"
		"1@1000.000002:smmuv3_translate_success r sid=0x10 iova=0xffffb002 "
		"translated=0x464f4002 perm=0x3\n"
		"2@1000.000002:smmuv3_translate_success r sid=0x18 iova=0xffffc002 "
		"translated=0x464f5002 perm=0x3\n");

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	cr_expect_eq(import_info(story->source)->answers, 2);
	cr_expect_eq(import_info(story->source)->walks, 1);
	cr_expect_str_eq(find(story, EVENT_ATTACH, 0)->domain, "asid1");
	cr_expect_str_eq(find(story, EVENT_ATTACH, 1)->domain, "asid2");
	close_story(story);
}

Test(import_smmuv3, what_passes_untranslated_and_what_is_refused_has_its_direction)
{
	struct story *story = import_text(
		NULL, "7@1000.000000:smmuv3_translate_bypass r sid=0x10 STE bypass iova:0xb98c7002 "
		      "is_write=1\n"
		      "7@1000.000001:smmuv3_translate_abort r sid=0x28 abort on iova:0x12340000 "
		      "is_write=0\n"
		      "7@1000.000002:smmuv3_translate_disable r sid=0x10 bypass (smmu disabled) "
		      "iova:0x1000 is_write=0\n");
	const struct told *bypass, *abort, *off;

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	bypass = find(story, EVENT_DMA, 0);
	cr_expect_eq(event_verb(&bypass->event), DMA_VERB_WRITE);
	cr_expect_eq(bypass->values[DMA_PA], 0xb98c7002);
	abort = find(story, EVENT_DMA, 1);
	cr_expect_eq(event_verb(&abort->event), DMA_VERB_READ);
	cr_expect_eq(abort->values[DMA_FAULT], 0x100);
	cr_expect_str_eq(abort->device, "00:05.0");
	off = find(story, EVENT_DMA, 2);
	cr_expect_eq(off->values[DMA_PA], 0x1000);
	cr_expect_eq(count(story, EVENT_ATTACH), 1, "the device that is refused has no domain");
	cr_expect_str_eq(find(story, EVENT_ATTACH, 0)->domain, "bypass");
	cr_expect(event_has(&find(story, EVENT_DOMAIN, 0)->event, DOMAIN_FORMAT));
	close_story(story);
}

/* ---- faults ---------------------------------------------------------------------------- */

#define FAULT(time, event)                                                                         \
	"7@" time ":smmuv3_config_cache_hit Config cache HIT for sid=0x18 (hits=1, misses=1, "     \
	"hit rate=50)\n"                                                                           \
	"7@" time ":smmu_iotlb_lookup_miss IOTLB cache MISS asid=3 addr=0x12340000 hit=0 miss=1 "  \
	"hit rate=0\n"                                                                             \
	"7@" time ":smmu_ptw_invalid_pte stage=1 level=0 base@=0x47597000 pte@=0x47597000 "        \
	"offset=0 pte=0x0\n"                                                                       \
	"7@" time ":" event " sid=0x18\n"

Test(import_smmuv3, a_fault_has_its_look_ups_address_and_a_record_if_an_interrupt_follows)
{
	struct story *story = import_text(
		NULL,
		FAULT("1000.000000",
		      "smmuv3_record_event SMMU_EVT_F_TRANSLATION") "7@1000.000001:smmuv3_trigger_"
								    "irq irq=0\n" FAULT("1000."
											"000002",
											"smmuv3_"
											"propagate_"
											"event "
											"SMMU_EVT_"
											"F_"
											"TRANSLATIO"
											"N") "7@"
											     "1000."
											     "00000"
											     "3:"
											     "smmuv"
											     "3_"
											     "trigg"
											     "er_"
											     "irq "
											     "irq="
											     "3\n"
											     "7@"
											     "1000."
											     "00000"
											     "3:"
											     "smmuv"
											     "3_"
											     "write"
											     "_gerr"
											     "or "
											     "toggl"
											     "ed="
											     "0x4, "
											     "new "
											     "GERRO"
											     "R="
											     "0x4\n"
											     "9@"
											     "1000."
											     "00000"
											     "4:"
											     "smmuv"
											     "3_"
											     "write"
											     "_mmio"
											     " addr"
											     ": "
											     "0xac "
											     "val:"
											     "0x2 "
											     "size:"
											     " 0x4("
											     "0)\n"
											     "9@"
											     "1000."
											     "00000"
											     "4:"
											     "smmuv"
											     "3_"
											     "write"
											     "_mmio"
											     " addr"
											     ": "
											     "0x64 "
											     "val:"
											     "0x4 "
											     "size:"
											     " 0x4("
											     "0)\n"
											     "9@"
											     "1000."
											     "00000"
											     "4:"
											     "smmuv"
											     "3_"
											     "write"
											     "_mmio"
											     " addr"
											     ": "
											     "0x80 "
											     "val:"
											     "0x400"
											     "00000"
											     "46454"
											     "000 "
											     "size:"
											     " 0x8("
											     "0)"
											     "\n");
	const struct told *dma, *reg;

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	cr_expect_eq(import_info(story->source)->faults, 2);
	dma = find(story, EVENT_DMA, 0);
	cr_expect_eq(dma->event.addr, 0x12340000);
	cr_expect_eq(dma->values[DMA_FAULT], 0x10);
	cr_expect_eq(event_verb(&dma->event), DMA_VERB_ANY);
	cr_expect_eq(count(story, EVENT_FAULT), 1, "only the first was recorded");
	cr_expect_eq(count(story, EVENT_OVERFLOW), 1);
	reg = find(story, EVENT_REG, 0);
	cr_expect_eq(reg->event.addr, 0x100ac, "where the queue's registers are");
	cr_expect_eq(find(story, EVENT_REG, 1)->event.addr, 0x64);
	cr_expect_eq(count(story, EVENT_REG), 2, "addresses of the recorder's tables are not ours");
	close_story(story);
}

Test(import_smmuv3, what_lacks_a_permission_was_a_write)
{
	struct story *story = import_text(
		NULL, FAULT("1000.000000", "smmuv3_record_event SMMU_EVT_F_PERMISSION"));

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	cr_expect_eq(find(story, EVENT_DMA, 0)->values[DMA_FAULT], 0x13);
	cr_expect_eq(event_verb(&find(story, EVENT_DMA, 0)->event), DMA_VERB_WRITE);
	close_story(story);
}

/* ---- commands -------------------------------------------------------------------------- */

struct command_case {
	char name[40];
	char opcode[24], lines[400];
	uint64_t w0, w1;
	uint64_t iova, size; /* of the neutral invalidation; size 0: no range */
	char domain[16];     /* "": none */
};

#define RANGE72 "9@1000.000000:smmuv3_s1_range_inval "
#define RANGE100 "9@1000.000000:smmuv3_range_inval "

ParameterizedTestParameters(import_smmuv3, commands_are_made_of_their_lines)
{
	static struct command_case cases[] = {
		{ "a page", "TLBI_NH_VA",
		  RANGE72 "vmid=0 asid=1 addr=0xffffc000 tg=1 num_pages=0x1 ttl=3 leaf=1\n",
		  0x1000000000012, 0xffffc701, 0xffffc000, 4096, "asid1" },
		{ "a page without range", "TLBI_NH_VA",
		  RANGE72 "vmid=0 asid=1 addr=0xffffc000 tg=0 num_pages=0x1 ttl=0 leaf=0\n",
		  0x1000000000012, 0xffffc000, 0xffffc000, 4096, "asid1" },
		{ "512 pages", "TLBI_NH_VA",
		  RANGE100 "vmid=0 asid=1 addr=0x10000000 tg=1 num_pages=0x200 ttl=2 leaf=1 "
			   "stage=1\n",
		  0x100000041f012, 0x10000601, 0x10000000, 2 << 20, "asid1" },
		{ "a range in three pieces", "TLBI_NH_VA",
		  RANGE72 "vmid=0 asid=1 addr=0x1000 tg=1 num_pages=0x1 ttl=0 leaf=1\n" RANGE72
			  "vmid=0 asid=1 addr=0x2000 tg=1 num_pages=0x2 ttl=0 leaf=1\n" RANGE72
			  "vmid=0 asid=1 addr=0x4000 tg=1 num_pages=0x4 ttl=0 leaf=1\n",
		  0x1000000006012, 0x1401, 0x1000, 7 * 4096, "asid1" },
		{ "pages of 16 KiB", "TLBI_NH_VA",
		  RANGE72 "vmid=0 asid=1 addr=0x40000 tg=2 num_pages=0x2 ttl=3 leaf=1\n",
		  0x1000000001012, 0x40b01, 0x40000, 0x8000, "asid1" },
		{ "stage 2", "TLBI_S2_IPA",
		  RANGE100 "vmid=1 asid=-1 addr=0xffff6000 tg=1 num_pages=0x1 ttl=3 leaf=1 "
			   "stage=2\n",
		  0x10000002a, 0xffff6701, 0xffff6000, 4096, "vmid1" },
		{ "an ASID", "TLBI_NH_ASID",
		  "9@1000.000000:smmuv3_cmdq_tlbi_nh_asid asid=1\n"
		  "9@1000.000000:smmu_iotlb_inv_asid IOTLB invalidate asid=1\n",
		  0x1000000000011, 0, 0, 0, "asid1" },
		{ "an ASID of 10.0", "TLBI_NH_ASID",
		  "9@1000.000000:smmuv3_cmdq_tlbi_nh_asid asid=1\n"
		  "9@1000.000000:smmu_iotlb_inv_asid_vmid IOTLB invalidate asid=1 vmid=0\n",
		  0x1000000000011, 0, 0, 0, "asid1" },
		{ "a VMID", "TLBI_S12_VMALL",
		  "9@1000.000000:smmuv3_cmdq_tlbi_s12_vmid vmid=1\n"
		  "9@1000.000000:smmu_iotlb_inv_vmid IOTLB invalidate vmid=1\n",
		  0x100000028, 0, 0, 0, "vmid1" },
		{ "everything", "TLBI_NSNH_ALL",
		  "9@1000.000000:smmuv3_cmdq_tlbi_nh \n"
		  "9@1000.000000:smmu_iotlb_inv_all IOTLB invalidate all\n",
		  0x30, 0, 0, 0, "" },
		{ "a device", "CFGI_STE",
		  "9@1000.000000:smmuv3_cmdq_cfgi_ste streamid= 0x10\n"
		  "9@1000.000000:smmuv3_config_cache_inv Config cache INV for sid=0x10\n",
		  0x1000000003, 0, 0, 0, "" },
		{ "a CD", "CFGI_CD",
		  "9@1000.000000:smmuv3_cmdq_cfgi_cd sid=0x10\n"
		  "9@1000.000000:smmu_config_cache_inv Config cache INV for sid=0x10\n",
		  0x1000000005, 0, 0, 0, "" },
	};

	return cr_make_param_array(struct command_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct command_case *c, import_smmuv3, commands_are_made_of_their_lines)
{
	char host[4096];
	struct story *story;
	const struct told *cmd, *inval;

	snprintf(host, sizeof host,
		 WALK72("0999.000000", "10", "1", "ffffb", "002", "464f4") WALK100(
			 "0999.000001", "18", "asid=-1 vmid=1", "ffffb", "002", "464f4",
			 "2") "9@1000.000000:smmuv3_cmdq_consume prod=70 cons=68 prod.wrap=0 "
			      "cons.wrap=0\n9@1000.000000:smmuv3_cmdq_opcode <--- "
			      "SMMU_CMD_%s\n%s" SYNC("1000.000100"),
		 c->opcode, c->lines);
	story = import_text(NULL, host);
	cr_assert_eq(story->status, 0, "%s: %s", c->name, story->err.text);
	cr_expect_eq(import_info(story->source)->host.bad, 0, "%s: %s", c->name,
		     import_info(story->source)->host.first_bad);
	cmd = find(story, EVENT_CMD, 0);
	cr_expect_eq(cmd->values[CMD_W0], c->w0, "%s: 0x%llx", c->name,
		     (unsigned long long)cmd->values[CMD_W0]);
	cr_expect_eq(cmd->values[CMD_W1], c->w1, "%s: 0x%llx", c->name,
		     (unsigned long long)cmd->values[CMD_W1]);
	cr_expect_eq(event_class(&cmd->event), CLASS_DERIVED);
	inval = find(story, EVENT_INVAL, 0);
	cr_expect_str_eq(inval->domain, c->domain, "%s", c->name);
	cr_expect_eq(event_has(&inval->event, INVAL_SIZE), c->size != 0, "%s", c->name);
	if (c->size) {
		cr_expect_eq(inval->event.addr, c->iova, "%s", c->name);
		cr_expect_eq(inval->values[INVAL_SIZE], c->size, "%s", c->name);
	}
	cr_expect_eq(count(story, EVENT_DONE), 1, "%s", c->name);
	cr_expect_eq(find(story, EVENT_DONE, 0)->event.time_ns, 1000100000, "%s", c->name);
	close_story(story);
}

Test(import_smmuv3, a_command_stands_before_the_line_that_ends_it)
{
	/* Only opcodes and translations were traced. */
	struct story *story = import_text(
		NULL,
		"9@1000.000000:smmuv3_cmdq_opcode <--- SMMU_CMD_TLBI_NH_ASID\n"
		"9@1000.000000:smmuv3_cmdq_tlbi_nh_asid asid=1\n" WALK72(
			"1000.000001", "10", "1", "ffffb", "002",
			"464f4") "9@1000.000002:smmuv3_cmdq_opcode <--- SMMU_CMD_TLBI_NH_ASID\n"
				 "9@1000.000002:smmuv3_cmdq_tlbi_nh_asid asid=1\n");

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	cr_expect_eq(count(story, EVENT_CMD), 2, "the last one ends with the log");
	cr_expect_lt(find(story, EVENT_CMD, 0), find(story, EVENT_DMA, 0));
	cr_expect_eq(find(story, EVENT_CMD, 0)->event.time_ns, 0);
	close_story(story);
}

Test(import_smmuv3, a_device_is_attached_where_its_configuration_was_dropped_last)
{
	struct story *story = import_text(
		NULL,
		WALK72("1000.000000", "10", "1", "ffffb", "002", "464f4") COMMAND(
			"1001.000000", "CFGI_STE",
			"9@1001.000000:smmuv3_cmdq_cfgi_ste streamid= 0x10\n") SYNC("1001.000001")
			COMMAND("1002.000000", "CFGI_STE",
				"9@1002.000000:smmuv3_cmdq_cfgi_ste streamid= 0x10\n")
				SYNC("1002.000001")
					WALK72("1003.000000", "10", "2", "ffffb", "002", "464f4"));

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	cr_assert_eq(count(story, EVENT_ATTACH), 2);
	cr_expect_str_eq(find(story, EVENT_ATTACH, 1)->domain, "asid2");
	cr_expect_eq(find(story, EVENT_ATTACH, 1)->event.time_ns, 2000000000);
	cr_expect_eq(count(story, EVENT_DETACH), 1);
	close_story(story);
}

/* ---- both sides ------------------------------------------------------------------------- */

Test(import_smmuv3, brackets_put_the_clocks_together)
{
	struct story *story = import_text(
		GUEST MAP("3.000000", "ffffb", "ffffc", "464f4"),
		READ("0500.000000") HOST WALK72("1003.000100", "10", "1", "ffffb", "002", "464f4"));
	const struct import_info *info;

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	info = import_info(story->source);
	cr_expect_str_eq(info->clock_from, "brackets");
	cr_expect_eq(info->uncertainty_ns, 10000);
	cr_expect_eq(find(story, EVENT_MAP, 0)->event.time_ns, 2000000000);
	cr_expect_str_eq(find(story, EVENT_MAP, 0)->domain, "asid1");
	cr_expect_eq(info->maps[HOW_ANSWER], 1);
	close_story(story);
}

Test(import_smmuv3, a_clock_that_stood_still_has_pieces)
{
	/* From the third bracket on the host is 500 us further ahead. */
	struct story *story = import_text(
		GUEST BRACKET("4") BRACKET("5") MAP("6.000000", "ffffb", "ffffc", "464f4"),
		HOST READ("1004.000510") READ("1005.000510")
			WALK72("1006.000600", "10", "1", "ffffb", "002", "464f4"));
	const struct import_info *info;

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	info = import_info(story->source);
	cr_expect_eq(info->clock.n, 2);
	cr_expect_eq(info->uncertainty_ns, 510000, "when it stood still is not known");
	cr_expect_eq(find(story, EVENT_MAP, 0)->event.time_ns, 5000500000);
	close_story(story);
}

Test(import_smmuv3, brackets_of_another_run_are_refused)
{
	char guest[8192] = "", host[8192] = "";
	size_t guest_n = 0, host_n = 0;
	struct story *story;

	for (unsigned i = 0; i < 20; i++) {
		guest_n += (size_t)snprintf(
			guest + guest_n, sizeof guest - guest_n,
			" g-1 [000] .... %u.000000: tracing_mark_write: clksync a %u before\n"
			" g-1 [000] .... %u.000020: tracing_mark_write: clksync a %u after\n",
			i + 1, i, i + 1, i);
		host_n += (size_t)snprintf(host + host_n, sizeof host - host_n, READ("%u.%06u"),
					   1000 + i, i * 1000);
	}
	story = import_text(guest, host);
	cr_expect_eq(story->status, -1);
	cr_expect(strstr(story->err.text, "do not run together"), "%s", story->err.text);
}

Test(import_smmuv3, without_brackets_nothing_is_guessed)
{
	struct story *story = import_text(MAP("3.000000", "ffffb", "ffffc", "464f4"), HOST);

	cr_expect_eq(story->status, -1);
	cr_expect(strstr(story->err.text, "0 clksync brackets"), "%s", story->err.text);
}

Test(import_smmuv3, the_flush_of_an_unmap_tells_its_space_and_comes_after_it)
{
	/* The unmap's line is 5 us late by the clocks, which the brackets allow. */
	struct story *story = import_text(
		GUEST MAP("3.000000", "ffffb", "ffffc", "464f4")
			MAP("3.000100", "ffffb", "ffffc", "464f5")
				UNMAP("4.000005", "ffffb", "ffffc"),
		HOST WALK72("1003.000500", "10", "1", "ffffb", "002",
			    "464f4") WALK72("1003.000600", "18", "2", "ffffb", "002", "464f5")
			COMMAND("1004.000000", "TLBI_NH_VA",
				"9@1004.000000:smmuv3_s1_range_inval vmid=0 asid=1 addr=0xffffb000 "
				"tg=1 num_pages=0x1 ttl=3 leaf=1\n") SYNC("1004.000001"));
	const struct import_info *info;

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	info = import_info(story->source);
	cr_expect_str_eq(find(story, EVENT_UNMAP, 0)->domain, "asid1");
	cr_expect_eq(info->unmaps[HOW_COMMAND], 1);
	cr_expect_eq(info->moved, 1);
	cr_expect_eq(info->moved_far, 0);
	cr_expect_lt(find(story, EVENT_UNMAP, 0), find(story, EVENT_CMD, 0));
	close_story(story);
}

Test(import_smmuv3, one_flush_of_many_unmaps_comes_after_the_last)
{
	struct story *story = import_text(
		GUEST MAP("3.000000", "ffffa", "ffffb", "464f4") MAP("3.000000", "ffffb", "ffffc",
								     "464f5")
			UNMAP("3.999990", "ffffa", "ffffb") UNMAP("4.000004", "ffffb", "ffffc"),
		HOST WALK72("1003.000500", "10", "1", "ffffb", "002", "464f5")
			COMMAND("1004.000000", "TLBI_NH_VA",
				"9@1004.000000:smmuv3_s1_range_inval vmid=0 asid=1 addr=0xffffa000 "
				"tg=1 num_pages=0x2 ttl=3 leaf=1\n") SYNC("1004.000001"));

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	cr_expect_eq(import_info(story->source)->unmaps[HOW_COMMAND], 2);
	cr_expect_lt(find(story, EVENT_UNMAP, 1), find(story, EVENT_CMD, 0));
	close_story(story);
}

/* ---- logs -------------------------------------------------------------------------------- */

Test(import_smmuv3, bad_lines_are_counted_and_unknown_events_named)
{
	struct story *story = import_text(
		NULL,
		WALK72("1000.000000", "10", "1", "ffffb", "002",
		       "464f4") "7@1000.000001:smmu_iotlb_lookup_hit IOTLB cache HIT asid=1 "
				"addr=ffff\n"
				"7@1000.000001:smmuv3_record_event SMMU_EVT_F_NOVELTY sid=0x10\n"
				"7@1000.000002:smmuv3_cmdq_opcode <--- SMMU_CMD_NOVELTY\n"
				"7@1000.000003:smmuv3_translate_success r sid=0x12345 iova=0x0 "
				"translated=0x0 "
				"perm=0x3\n"
				"7@1000.000004:smmu_add_mr smmuv3-iommu-memory-region-0-0\n"
				"7@1000.000005:vtd_inv_desc_wait_sw wait invalidate status write "
				"addr 0x0 data "
				"0x2\n");
	const struct import_side *host;

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	host = &import_info(story->source)->host;
	cr_expect_eq(host->bad, 4);
	cr_expect_eq(host->skipped_names, 2, "another IOMMU's events are of no use");
	close_story(story);
}

Test(import_smmuv3, meta_says_whose_commands_these_are)
{
	struct story *story =
		import_text(NULL, WALK72("1000.000000", "10", "1", "ffffb", "002", "464f4"));

	cr_assert_eq(story->status, 0, "%s", story->err.text);
	cr_expect(strstr(import_meta(story->source), "source.iommu = smmuv3\n"));
	cr_expect(strstr(import_meta(story->source), "source.1 = QEMU log, SMMUv3\n"));
	close_story(story);
}
