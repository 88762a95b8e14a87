/*
 * The SMMUv3 model under random table writes, configuration changes and invalidations: every answer is
 * compared with the uncached walk, and what the model says of stale copies with that comparison
 * (rules R1). Streams of one stage, nested ones, global pages and contiguous sets share tags.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/smmuv3_bench.h"

enum { STREAMS = 6, PAGES = 24, STEPS = 60000, TABLES_S1 = 2, COPIES_MAX = 64 };
static const pa_t stream_table = 0x80000000, cds = 0x80100000, s2_root = 0x80400000;

static uint64_t state;

static uint64_t any(uint64_t n)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (state >> 33) % n;
}

/* Table pages: stage 1 of space t below 0x80200000 + t MiB, levels 1 to 3 (T0SZ 25). */
static pa_t s1_table(unsigned t, unsigned level)
{
	return 0x80200000 + t * 0x100000ull + (level - 1) * 0x1000ull;
}

static pa_t s2_table(unsigned level, unsigned n)
{
	return s2_root + level * 0x10000ull + n * 0x1000ull;
}

/* A machine with everything small, so that evictions are common. */
static void open_bench(struct bench *bench, bool snoops)
{
	struct smmuv3_config config;

	bench_defaults(&config);
	config.cohacc = snoops;
	config.tlb_sets = 1 + any(4);
	config.tlb_ways = 1 + any(16);
	config.walk_ways = 0;
	config.walk_entries = any(3) * 8;
	config.ipa_ways = any(3) ? 0 : 2;
	config.ipa_entries = any(3) * 8;
	config.config_entries = 2 + any(8);
	config.bbml = any(3);
	config.multi_hit = any(3);
	bench_open(bench, &config);
}

static void write_s1_leaf(struct bench *bench, unsigned t, unsigned page)
{
	static const uint64_t flags[] = { 0x0060000000000f47, 0x0060000000000fc7,
					  0x0060000000000747, 0x0060000000000b47,
					  0x0068000000000fc7, 0 };
	uint64_t leaf = flags[any(6)], contiguous = page < 16 && any(3) == 0 ? 1ull << 52 : 0;

	if (leaf) /* an IPA below 2 MiB * 8 for nested streams, which is memory for the others */
		leaf |= 0x1000000 + (any(4) ? page : any(64)) * 0x1000 + contiguous;
	bench_write_word(bench, s1_table(t, 3) + page * 8, leaf);
}

static void write_s1_table(struct bench *bench, unsigned t)
{
	uint64_t kind = any(10);

	if (kind >= 8) /* the other space's tables, and back */
		bench_write_word(bench, s1_table(t, 1),
				 s1_table(any(3) ? t : TABLES_S1 - 1 - t, 2) | 3);
	else if (kind == 0)
		bench_write_word(bench, s1_table(t, 2), 0);
	else if (kind == 1) /* a block over the table */
		bench_write_word(bench, s1_table(t, 2), 0x1000000 | 0x0060000000000f45);
	else if (kind == 2)
		bench_write_word(bench, s1_table(t, 2),
				 s1_table(t, 3) | 3 | (any(2) ? 1ull << 62 : 1ull << 61));
	else
		bench_write_word(bench, s1_table(t, 2), s1_table(t, 3) | 3);
}

/* Stage 2 maps the first 32 MiB, the tables and CDs where nested streams look for them. */
static void write_s2(struct bench *bench)
{
	unsigned page = (unsigned)any(64);

	switch (any(7)) {
	case 6: /* CDs through another table, which leads elsewhere now and then */
		bench_write_word(bench, s2_table(2, 3), (any(3) ? 0x80000000 : 0x80800000) | 0x7fd);
		bench_write_word(bench, s2_root + 2 * 8, s2_table(2, any(3) ? 2 : 3) | 3);
		break;
	case 0: /* the leaves' own 2 MiB as a block */
		bench_write_word(bench, s2_table(2, 0) + 8 * 8, 0x1000000 | 0x7fd);
		break;
	case 1: /* tables of stage 1 elsewhere, or gone */
		bench_write_word(bench, s2_table(2, 2) + 8, any(4) ? 0x80200000 | 0x7fd : 0);
		break;
	case 2:
		bench_write_word(bench, s2_table(2, 0) + 8 * 8, s2_table(3, 0) | 3);
		break;
	default:
		bench_write_word(bench, s2_table(3, 0) + page * 8,
				 any(5) ? (0x1000000 + any(64) * 0x1000) | (any(3) ? 0x7ff : 0x77f)
					: 0);
		break;
	}
}

/* Streams 0 and 1: stage 1; 2: stage 2; 3 and 4: nested; 5: stage 1 with ASID of stream 0. */
static void write_stream(struct bench *bench, unsigned sid)
{
	static const uint64_t modes[STREAMS] = { 5, 5, 6, 7, 7, 5 };
	pa_t ste = stream_table + sid * 64, cd = cds + sid * 64;
	uint64_t mode = any(12) ? modes[sid] : any(8);

	bench_write_word(bench, ste + 8, 0x00001000000000d4);
	bench_write_word(bench, ste + 16, 0x040a355800000000 | (sid == 4 ? 9 : 7));
	bench_write_word(bench, ste + 24, s2_root);
	bench_write_word(bench, ste, cd | mode << 1 | 1);
}

static void write_cd(struct bench *bench, unsigned sid)
{
	pa_t cd = cds + sid * 64;
	uint64_t asid = any(8) ? sid % 5 : any(3);

	bench_write_word(bench, cd + 8, s1_table((unsigned)any(8) ? sid % TABLES_S1 : 0, 1));
	bench_write_word(bench, cd + 24, 0xff44);
	/* HA and HD by CD: streams that share tables need not agree on them */
	bench_write_word(bench, cd, 0x00006205c0003519 | asid << 48 | (any(2) ? 3ull << 42 : 0));
}

static void set_up(struct bench *bench)
{
	for (unsigned t = 0; t < TABLES_S1; t++) {
		bench_write_word(bench, s1_table(t, 1), s1_table(t, 2) | 3);
		bench_write_word(bench, s1_table(t, 2), s1_table(t, 3) | 3);
		for (unsigned page = 0; page < PAGES; page++)
			write_s1_leaf(bench, t, page);
	}
	bench_write_word(bench, s2_root, s2_table(2, 0) | 3);
	bench_write_word(bench, s2_root + 2 * 8, s2_table(2, 2) | 3); /* 0x80000000 */
	bench_write_word(bench, s2_table(2, 2), 0x80000000 | 0x7fd);
	bench_write_word(bench, s2_table(2, 3) + 8, 0x80200000 | 0x7fd);
	bench_write_word(bench, s2_table(2, 2) + 8, 0x80200000 | 0x7fd);
	bench_write_word(bench, s2_table(2, 0) + 8 * 8, s2_table(3, 0) | 3);
	for (unsigned sid = 0; sid < STREAMS; sid++) {
		write_stream(bench, sid);
		write_cd(bench, sid);
		bench_device(bench, sid);
	}
	for (unsigned i = 0; i < 400; i++)
		write_s2(bench);
}

static void invalidate(struct bench *bench)
{
	static const uint8_t opcodes[] = { CMD_TLBI_NH_ALL,   CMD_TLBI_NH_ASID,	  CMD_TLBI_NH_VA,
					   CMD_TLBI_NH_VAA,   CMD_TLBI_S12_VMALL, CMD_TLBI_S2_IPA,
					   CMD_TLBI_NSNH_ALL, CMD_CFGI_STE,	  CMD_CFGI_CD,
					   CMD_CFGI_STE_RANGE };
	struct smmuv3_command command = { .opcode = opcodes[any(10)],
					  .vmid = any(2) ? 7 : 9,
					  .asid = any(5),
					  .sid = any(STREAMS),
					  .page = any(2) ? any(PAGES) : 0x1000 + any(64),
					  .leaf = any(2),
					  .size = 31 };
	struct inval_report report;

	if (any(3) == 0) {
		command.tg = 1;
		command.num = any(20);
		command.ttl = 2 + any(2);
	}
	cr_assert(bench_command(bench, &command, &report));
}

static void change(struct bench *bench)
{
	bench->event++;
	switch (any(10)) {
	case 0:
		if (any(20) == 0) /* fewer streams, and more again */
			bench_reg_write(bench, SMMU_STRTAB_BASE_CFG, any(2) ? 8 : 2);
		else
			write_s1_table(bench, (unsigned)any(TABLES_S1));
		break;
	case 1:
	case 2:
		write_s2(bench);
		break;
	case 3:
		write_stream(bench, (unsigned)any(STREAMS));
		break;
	case 4:
		write_cd(bench, (unsigned)any(STREAMS));
		break;
	case 5:
	case 6:
		invalidate(bench);
		break;
	default:
		write_s1_leaf(bench, (unsigned)any(TABLES_S1), (unsigned)any(PAGES));
		break;
	}
}

struct matching {
	struct cached_copy copies[COPIES_MAX];
	unsigned n;
};

static void note_copy(void *ctx, const struct cached_copy *copy)
{
	struct matching *matching = ctx;

	if (copy->structure == STRUCTURE_TLB && matching->n < COPIES_MAX)
		matching->copies[matching->n++] = *copy;
}

/* R5: of several copies that matched, found by brute force, the model has to have told. */
static void check_matches(const struct bench *bench, const struct matching *before,
			  const struct dma_request *request, const struct dma_result *served,
			  unsigned step)
{
	const struct smmuv3_detail *detail = smmuv3_detail(bench->iommu);
	unsigned matches = 0;

	for (unsigned i = 0; i < before->n; i++) {
		const struct cached_copy *copy = &before->copies[i];

		matches += copy->first <= request->iova && request->iova <= copy->last &&
			   copy->tag == (detail->asid | (uint64_t)detail->vmid << 16);
	}
	if (served->cached && detail->tagged_asid && matches > 1)
		cr_assert(bench->used && bench->use.matches > 1,
			  "step %u: %u copies match 0x%llx, and nothing is said", step, matches,
			  (unsigned long long)request->iova);
}

/* One request against truth, and what was said of it. */
static void access(struct bench *bench, unsigned step)
{
	struct dma_request request = { .iova = any(PAGES) * 0x1000 + any(4096),
				       .len = 1,
				       .device = (uint32_t)any(STREAMS),
				       .pasid = NO_PASID,
				       .access = any(2) ? ACCESS_READ : ACCESS_WRITE,
				       .privileged = any(4) == 0 };
	enum verdict expected = VERDICT_FRESH, said = VERDICT_FRESH;
	struct matching before = { .n = 0 };
	struct dma_result truth, served;

	if (request.device == 2)
		request.iova += 0x1000000;
	smmuv3_model.each_copy(bench->iommu, note_copy, &before);
	served = bench_translate(bench, &request);
	check_matches(bench, &before, &request, &served, step);
	smmuv3_model.truth(bench->iommu, &request, &truth); /* after hardware's own updates */
	if (dma_granted(&served) && (!dma_granted(&truth) || truth.pa != served.pa))
		expected = VERDICT_STALE_USE;
	else if (!dma_granted(&served) && dma_granted(&truth))
		expected = VERDICT_STALE_REFUSAL;
	if (bench->used && bench->use.verdict != VERDICT_BENIGN)
		said = bench->use.verdict;
	cr_assert_eq(said, expected,
		     "seed and step %u: stream %u iova 0x%llx: said %d, expected %d; served %d "
		     "0x%llx fault 0x%x, truth %d 0x%llx fault 0x%x",
		     step, request.device, (unsigned long long)request.iova, said, expected,
		     served.outcome, (unsigned long long)served.pa, served.fault, truth.outcome,
		     (unsigned long long)truth.pa, truth.fault);
}

static void run(uint64_t seed, bool snoops)
{
	struct bench bench;
	unsigned behind = 0;

	state = seed;
	open_bench(&bench, snoops);
	set_up(&bench);
	if (!snoops)
		cr_assert(memory_view_create(bench.memory, NULL) == 0);
	for (unsigned step = 0; step < STEPS; step++) {
		if (any(5) == 0)
			change(&bench);
		if (!snoops && any(40) == 0)
			memory_view_write_back(bench.memory, 0, UINT64_MAX);
		access(&bench, step);
		behind += bench.used && bench.use.behind;
	}
	cr_expect_gt(bench.stale_uses, 100, "nothing went stale");
	cr_expect_eq(behind > 100, !snoops, "%u read words behind", behind);
	bench_close(&bench);
}

Test(smmuv3, says_of_every_request_whether_its_copies_were_stale)
{
	for (uint64_t seed = 1; seed <= 8; seed++)
		run(seed, true);
}

Test(smmuv3, says_where_walks_that_do_not_snoop_read_memory_behind_software)
{
	for (uint64_t seed = 1; seed <= 4; seed++)
		run(seed, false);
}
