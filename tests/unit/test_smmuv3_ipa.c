/*
 * The IPA cache and the combined copies of nested streams: what each invalidation takes away and what it
 * leaves (IHI 0070 4.4), and what is found of the rest.
 *
 * VA 0x5000 is IPA 0x1005000 in stage 1 (ASID 1, VMID 7), which is PA 0x9005000 in stage 2; tables lie
 * where their IPAs say.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "tests/unit/smmuv3_bench.h"

enum { VMID = 7, ASID = 1, VA_PAGE = 5, IPA_PAGE = 0x1005 };
static const pa_t stream_table = 0x80000000, cd = 0x80100000, s1_root = 0x80200000;
static const pa_t s2_root = 0x80400000, target = 0x9005000;

static pa_t s2_leaf(void)
{
	return s2_root + 0x2000 + 8ull * 5;
}

/* Stage 2 from level 1: the leaf's page as a page, tables and CD in blocks of 2 MiB. */
static void write_tables(struct bench *bench)
{
	bench_write_word(bench, s1_root, (s1_root + 0x1000) | 3);
	bench_write_word(bench, s1_root + 0x1000, (s1_root + 0x2000) | 3);
	bench_write_word(bench, s1_root + 0x2000 + 8ull * VA_PAGE,
			 0x0060000000000f43 | (uint64_t)IPA_PAGE << 12);
	bench_write_word(bench, s2_root, (s2_root + 0x1000) | 3);
	bench_write_word(bench, s2_root + 0x1000 + 8ull * 8, (s2_root + 0x2000) | 3);
	bench_write_word(bench, s2_leaf(), target | 0x7ff);
	bench_write_word(bench, s2_root + 2 * 8, (s2_root + 0x3000) | 3);
	bench_write_word(bench, s2_root + 0x3000, 0x80000000 | 0x7fd);
	bench_write_word(bench, s2_root + 0x3000 + 8, 0x80200000 | 0x7fd);
}

static void write_stream(struct bench *bench)
{
	bench_write_word(bench, cd + 8, s1_root);
	bench_write_word(bench, cd + 24, 0xff44);
	bench_write_word(bench, cd, 0x00006205c0003519 | (uint64_t)ASID << 48);
	bench_write_word(bench, stream_table + 8, 0x00001000000000d4);
	bench_write_word(bench, stream_table + 16, 0x040a355800000000 | VMID);
	bench_write_word(bench, stream_table + 24, s2_root);
	bench_write_word(bench, stream_table, cd | 7 << 1 | 1);
}

static struct dma_result read_page(struct bench *bench)
{
	struct dma_request request = {
		.iova = VA_PAGE << 12, .len = 64, .pasid = NO_PASID, .access = ACCESS_READ
	};

	bench->event++;
	return bench_translate(bench, &request);
}

static void set_defaults(struct smmuv3_config *config, uint64_t ipa_entries)
{
	bench_defaults(config);
	config->ipa_entries = ipa_entries;
	config->ipa_ways = 0;
}

/* With everything cached that one access leaves. */
static void open_configured(struct bench *bench, const struct smmuv3_config *config)
{
	bench_open(bench, config);
	bench_device(bench, 0);
	write_tables(bench);
	write_stream(bench);
	cr_assert_eq(read_page(bench).pa, target);
}

static void open_nested(struct bench *bench, uint64_t ipa_entries)
{
	struct smmuv3_config config;

	set_defaults(&config, ipa_entries);
	open_configured(bench, &config);
}

static void command(struct bench *bench, uint8_t opcode, unsigned vmid, uint64_t page)
{
	struct smmuv3_command command = {
		.opcode = opcode, .vmid = vmid, .asid = ASID, .page = page, .size = 31
	};
	struct inval_report report;

	cr_assert(bench_command(bench, &command, &report));
}

/* ---- what is left ------------------------------------------------------------------------------- */

struct left {
	bool combined, leaf, tables; /* the last two: IPA copies of the leaf, of stage-1 tables */
};

static void note_left(void *ctx, const struct cached_copy *copy)
{
	struct left *left = ctx;
	bool ipa_cache =
		!strcmp(smmuv3_model.structure_name(copy->structure, copy->level), "IPA cache");

	if (copy->structure != STRUCTURE_TLB)
		return;
	left->combined |= !ipa_cache && copy->first == VA_PAGE << 12;
	left->leaf |= ipa_cache && copy->first == (iova_t)IPA_PAGE << 12;
	left->tables |= ipa_cache && copy->first == s1_root;
}

struct scope_case {
	char name[48];
	uint8_t opcode;
	unsigned vmid;
	uint64_t page;
	struct left left;
};

ParameterizedTestParameters(smmuv3_ipa, invalidations_take_what_their_scope_names)
{
	static struct scope_case cases[] = {
		{ "NH_ALL", CMD_TLBI_NH_ALL, VMID, 0, { false, true, true } },
		{ "NH_ASID", CMD_TLBI_NH_ASID, VMID, 0, { false, true, true } },
		{ "NH_VA", CMD_TLBI_NH_VA, VMID, VA_PAGE, { false, true, true } },
		{ "NH_VAA", CMD_TLBI_NH_VAA, VMID, VA_PAGE, { false, true, true } },
		{ "NH_VA of the IPA's number",
		  CMD_TLBI_NH_VA,
		  VMID,
		  IPA_PAGE,
		  { true, true, true } },
		{ "S2_IPA of the leaf", CMD_TLBI_S2_IPA, VMID, IPA_PAGE, { true, false, true } },
		{ "S2_IPA of the VA's number",
		  CMD_TLBI_S2_IPA,
		  VMID,
		  VA_PAGE,
		  { true, true, true } },
		{ "S2_IPA of a stage-1 table",
		  CMD_TLBI_S2_IPA,
		  VMID,
		  0x80200,
		  { true, true, false } },
		{ "S2_IPA of another VMID", CMD_TLBI_S2_IPA, 9, IPA_PAGE, { true, true, true } },
		{ "S12_VMALL", CMD_TLBI_S12_VMALL, VMID, 0, { false, false, false } },
		{ "S12_VMALL of another VMID", CMD_TLBI_S12_VMALL, 9, 0, { true, true, true } },
		{ "NSNH_ALL", CMD_TLBI_NSNH_ALL, 0, 0, { false, false, false } },
		{ "CFGI_ALL", CMD_CFGI_STE_RANGE, 0, 0, { true, true, true } },
	};

	return cr_make_param_array(struct scope_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct scope_case *c, smmuv3_ipa, invalidations_take_what_their_scope_names)
{
	struct left left = { false, false, false };
	struct bench bench;

	open_nested(&bench, 16);
	command(&bench, c->opcode, c->vmid, c->page);
	smmuv3_model.each_copy(bench.iommu, note_left, &left);
	cr_expect_eq(left.combined, c->left.combined, "%s: the combined copy", c->name);
	cr_expect_eq(left.leaf, c->left.leaf, "%s: the leaf's IPA", c->name);
	cr_expect_eq(left.tables, c->left.tables, "%s: the tables' IPA", c->name);
	bench_close(&bench);
}

/* ---- what is found of the rest -------------------------------------------------------------------- */

Test(smmuv3_ipa, the_ipa_alone_leaves_the_combined_copy_stale)
{
	struct bench bench;

	open_nested(&bench, 16);
	bench_write_word(&bench, s2_leaf(), 0);
	command(&bench, CMD_TLBI_S2_IPA, VMID, IPA_PAGE);
	cr_expect_eq(read_page(&bench).pa, target);
	cr_expect_eq(bench.use.verdict, VERDICT_STALE_USE);
	command(&bench, CMD_TLBI_NH_ALL, VMID, 0);
	cr_expect_eq(read_page(&bench).fault, F_TRANSLATION);
	cr_expect_eq(bench.stale_uses, 1u);
	bench_close(&bench);
}

Test(smmuv3_ipa, stage_1_alone_leaves_the_ipa_which_fills_a_stale_copy)
{
	struct bench bench;

	open_nested(&bench, 16);
	bench_write_word(&bench, s2_leaf(), 0);
	command(&bench, CMD_TLBI_NH_ALL, VMID, 0);
	for (unsigned i = 1; i <= 2; i++) { /* from the IPA cache, then from what it filled (R3) */
		cr_expect_eq(read_page(&bench).pa, target);
		cr_expect_eq(bench.stale_uses, i);
	}
	command(&bench, CMD_TLBI_S12_VMALL, VMID, 0);
	cr_expect_eq(read_page(&bench).fault, F_TRANSLATION);
	cr_expect_eq(bench.stale_uses, 2u);
	bench_close(&bench);
}

Test(smmuv3_ipa, without_an_ipa_cache_stage_1_alone_is_enough)
{
	struct bench bench;

	open_nested(&bench, 0);
	bench_write_word(&bench, s2_leaf(), 0);
	command(&bench, CMD_TLBI_NH_ALL, VMID, 0);
	cr_expect_eq(read_page(&bench).fault, F_TRANSLATION);
	cr_expect_eq(bench.stale_uses, 0u);
	bench_close(&bench);
}

Test(smmuv3_ipa, the_structure_to_blame_is_named)
{
	struct bench bench;

	open_nested(&bench, 16);
	bench_write_word(&bench, s2_leaf(), 0);
	command(&bench, CMD_TLBI_NH_ALL, VMID, 0);
	read_page(&bench);
	cr_assert(bench.used);
	cr_expect_str_eq(smmuv3_model.structure_name(bench.blamed.structure, bench.blamed.level),
			 "IPA cache");
	bench_close(&bench);
}

/* Of 16 entries that say they are one run, the last leads elsewhere: what another fills of it is in doubt. */
Test(smmuv3_ipa, a_copy_of_an_uneven_run_is_compared)
{
	enum { LAST = 15, CONTIGUOUS = 52 };
	struct dma_request last = {
		.iova = 0x6000, .len = 64, .pasid = NO_PASID, .access = ACCESS_READ
	};
	struct smmuv3_config config;
	struct bench bench;

	set_defaults(&config, 16);
	bench_open(&bench, &config);
	bench_device(&bench, 0);
	write_tables(&bench);
	for (unsigned i = 0; i <= LAST; i++)
		bench_write_word(&bench, s2_root + 0x2000 + 8ull * i,
				 (0x9000000 + ((i == LAST ? 0x100ull : i) << 12)) | 0x7ff |
					 1ull << CONTIGUOUS);
	bench_write_word(&bench, s1_root + 0x2000 + 8 * 6, 0x0060000000000f43 | 0x100f000);
	write_stream(&bench);
	cr_assert_eq(read_page(&bench).pa, target);
	bench.event++;
	cr_expect_eq(bench_translate(&bench, &last).pa, 0x900f000u, "as the run says");
	cr_expect_eq(bench.use.verdict, VERDICT_STALE_USE);
	bench_close(&bench);
}

/* A block took the place of pages without a flush: two copies of the cache match. */
Test(smmuv3_ipa, overlapping_ipas_conflict_as_translations_do)
{
	struct dma_request neighbour = {
		.iova = 0x6000, .len = 64, .pasid = NO_PASID, .access = ACCESS_READ
	};
	struct smmuv3_config config;
	struct bench bench;

	set_defaults(&config, 16);
	config.walk_entries = 0; /* a pointer to the table of pages would be used on */
	config.bbml = 0;
	open_configured(&bench, &config);
	bench_write_word(&bench, s2_root + 0x1000 + 8ull * 8, 0x9000000 | 0x7fd);
	bench_write_word(&bench, s1_root + 0x2000 + 8 * 6, 0x0060000000000f43 | 0x1006000);
	bench.event++;
	cr_expect_eq(bench_translate(&bench, &neighbour).pa, 0x9006000u);
	cr_expect_eq(bench.overlaps, 1u, "the fill is told");
	command(&bench, CMD_TLBI_NH_ALL, VMID, 0);
	cr_expect_eq(read_page(&bench).fault, F_TLB_CONFLICT);
	cr_expect_eq(bench.use.matches, 2u);
	bench_close(&bench);
}
