/* The SMMUv3 model against the sequences of its vectors: stale copies, invalidations, queues, stalls. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/smmuv3_bench.h"

struct sequence {
	struct bench bench;
	const char *id;
	unsigned step;
	char where[96]; /* "v3-q-...: step 3" */
	uint16_t stag;
};

static struct native_command command_of(yaml_node_t *raw)
{
	return (struct native_command){ .words = { bench_value(bench_item(raw, 0)),
						   bench_value(bench_item(raw, 1)) } };
}

static const struct smmuv3_stall *last_stall(struct sequence *s)
{
	const struct smmuv3_stall *stalls;
	size_t n = smmuv3_stalls(s->bench.iommu, &stalls);

	cr_assert_gt(n, 0, "%s: nothing has stalled", s->where);
	return &stalls[n - 1];
}

static void do_dma(struct sequence *s, yaml_node_t *step, uint8_t type)
{
	struct dma_request request = bench_request(&s->bench, bench_field(step, "request"));
	yaml_node_t *expect = bench_field(step, "expect");
	struct dma_result result;

	request.type = type;
	result = bench_translate(&s->bench, &request);
	bench_check(&s->bench, expect, &request, &result, s->where);
	if (bench_field(expect, "stag"))
		s->stag = last_stall(s)->stag;
}

static void do_ats(struct sequence *s, yaml_node_t *step)
{
	struct dma_request request = bench_request(&s->bench, bench_field(step, "request"));
	yaml_node_t *expect = bench_field(step, "expect");
	const char *status = bench_text(expect, "status");
	struct dma_result result;

	request.type = DMA_TRANSLATION_REQUEST;
	if (!bench_number(bench_field(step, "request"), "nw"))
		request.access = ACCESS_READ | ACCESS_WRITE;
	result = bench_translate(&s->bench, &request);
	cr_expect_eq(result.sees,
		     !strcmp(status, "UR")   ? SEES_UNSUPPORTED
		     : !strcmp(status, "CA") ? SEES_ABORT
					     : SEES_OK,
		     "%s: status", s->where);
	if (bench_field(expect, "pa"))
		cr_expect_eq(result.pa, bench_number(expect, "pa"), "%s: pa", s->where);
	if (bench_field(expect, "r"))
		cr_expect_eq((result.perm & TLB_READ) != 0, bench_number(expect, "r") != 0, "%s: R",
			     s->where);
	if (bench_field(expect, "w"))
		cr_expect_eq((result.perm & TLB_WRITE) != 0, bench_number(expect, "w") != 0,
			     "%s: W", s->where);
	if (bench_field(expect, "size"))
		cr_expect_eq(1ull << result.page_lg2, bench_number(expect, "size"), "%s: size",
			     s->where);
	if (bench_field(expect, "stale"))
		cr_expect(s->bench.used && s->bench.use.verdict == VERDICT_STALE_USE,
			  "%s: not stale", s->where);
	if (bench_is_null(expect, "event"))
		cr_expect(!s->bench.faulted, "%s: an event", s->where);
	else if (bench_field(expect, "event"))
		cr_expect(s->bench.faulted && !strcmp(smmuv3_model.fault_name(s->bench.fault.code),
						      bench_text(expect, "event")),
			  "%s: event", s->where);
}

static void do_command(struct sequence *s, yaml_node_t *step)
{
	struct native_command command = command_of(bench_field(step, "raw"));
	struct inval_report report;
	struct err err = { 0 };

	if (bench_field(step, "stag"))
		command.words[1] |= s->stag;
	cr_expect_eq(
		smmuv3_model.execute(s->bench.iommu, ++s->bench.event, &command, &report, &err), 0,
		"%s: %s", s->where, err.text);
}

/* ---- queues and registers ---------------------------------------------------------------------- */

static uint64_t offset_of(const char *name)
{
	static const struct {
		const char *name;
		uint64_t offset;
	} names[] = {
		{ "EVENTQ_CONS", SMMU_EVENTQ_CONS }, { "EVENTQ_PROD", SMMU_EVENTQ_PROD },
		{ "PRIQ_CONS", SMMU_PRIQ_CONS },     { "PRIQ_PROD", SMMU_PRIQ_PROD },
		{ "GERRORN", SMMU_GERRORN },
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (!strcmp(names[i].name, name))
			return names[i].offset;
	cr_assert(false, "register %s", name);
	return 0;
}

static void check_queue(struct sequence *s, yaml_node_t *step, uint64_t prod_at, uint64_t cons_at,
			uint64_t base_at)
{
	uint64_t prod = bench_reg(&s->bench, prod_at), cons = bench_reg(&s->bench, cons_at);
	unsigned log2 = (unsigned)bits(bench_reg(&s->bench, base_at), 4, 0);
	bool full = ((prod ^ cons) & low_mask(log2 + 1)) == 1ull << log2;

	if (bench_field(step, "PROD"))
		cr_expect_eq(prod, bench_number(step, "PROD"), "%s: PROD 0x%llx", s->where,
			     (unsigned long long)prod);
	if (bench_field(step, "CONS"))
		cr_expect_eq(cons, bench_number(step, "CONS"), "%s: CONS 0x%llx", s->where,
			     (unsigned long long)cons);
	if (bench_field(step, "full"))
		cr_expect_eq(full, !strcmp(bench_text(step, "full"), "true"), "%s: full", s->where);
	if (bench_field(step, "overflow"))
		cr_expect_eq(bit(prod ^ cons, 31), !strcmp(bench_text(step, "overflow"), "true"),
			     "%s: overflow", s->where);
	if (bench_field(step, "records"))
		cr_expect_eq((prod - cons) & low_mask(log2 + 1), bench_number(step, "records"),
			     "%s: records", s->where);
}

static void check_last_record(struct sequence *s, yaml_node_t *record)
{
	uint64_t base = bench_reg(&s->bench, SMMU_EVENTQ_BASE);
	uint64_t prod = bench_reg(&s->bench, SMMU_EVENTQ_PROD), words[3];
	pa_t at = (base & ~31ull) + ((prod - 1) & low_mask((unsigned)bits(base, 4, 0))) * 32;

	if (!record)
		return;
	for (unsigned i = 0; i < 3; i++)
		cr_assert(memory_read(s->bench.memory, at + i * 8ull, &words[i]));
	cr_expect_str_eq(smmuv3_model.fault_name((uint16_t)bits(words[0], 7, 0)),
			 bench_text(record, "name"), "%s", s->where);
	cr_expect_eq(words[0] >> 32, bench_number(record, "sid"), "%s: sid", s->where);
	cr_expect_eq(bit(words[1], 31), bench_number(record, "stall") != 0, "%s: stall", s->where);
	cr_expect_eq(words[2], bench_number(record, "addr"), "%s: addr", s->where);
}

static void do_cmdq(struct sequence *s, yaml_node_t *step)
{
	yaml_node_t *commands = bench_field(step, "write");
	pa_t base = bench_reg(&s->bench, SMMU_CMDQ_BASE) & ~31ull;

	for (unsigned i = 0; i < bench_items(commands); i++) {
		struct native_command command = command_of(bench_item(commands, i));

		bench_write_word(&s->bench, base + i * 16ull, command.words[0]);
		bench_write_word(&s->bench, base + i * 16ull + 8, command.words[1]);
	}
	smmuv3_model.reg_write(s->bench.iommu, ++s->bench.event, SMMU_CMDQ_PROD,
			       bench_number(step, "PROD"), 4);
}

static void do_cmdq_fix(struct sequence *s, yaml_node_t *step)
{
	pa_t at =
		(bench_reg(&s->bench, SMMU_CMDQ_BASE) & ~31ull) + bench_number(step, "index") * 16;
	struct native_command command = command_of(bench_field(step, "cmd"));

	bench_write_word(&s->bench, at, command.words[0]);
	bench_write_word(&s->bench, at + 8, command.words[1]);
}

static void check_regs(struct sequence *s, yaml_node_t *regs)
{
	uint64_t cons = bench_reg(&s->bench, SMMU_CMDQ_CONS);
	uint64_t errors = bench_reg(&s->bench, SMMU_GERROR) ^ bench_reg(&s->bench, SMMU_GERRORN);

	if (bench_field(regs, "CMDQ_CONS.RD"))
		cr_expect_eq(bits(cons, 19, 0), bench_number(regs, "CMDQ_CONS.RD"), "%s: RD",
			     s->where);
	if (bench_field(regs, "CMDQ_CONS.ERR"))
		cr_expect_eq(bits(cons, 30, 24), bench_number(regs, "CMDQ_CONS.ERR"), "%s: ERR",
			     s->where);
	if (bench_field(regs, "GERROR.CMDQ_ERR"))
		cr_expect_eq(bit(errors, 0), !strcmp(bench_text(regs, "GERROR.CMDQ_ERR"), "active"),
			     "%s: CMDQ_ERR", s->where);
}

/* ---- stalls, page requests, reports ---------------------------------------------------------- */

static void check_stall(struct sequence *s, yaml_node_t *step, enum smmuv3_stall_state state)
{
	const struct smmuv3_stall *stall = last_stall(s);
	const char *response = bench_text(step, "response");

	cr_expect_eq(stall->state, state, "%s: state %d", s->where, stall->state);
	if (bench_field(step, "addr"))
		cr_expect_eq(stall->request.iova, bench_number(step, "addr"), "%s", s->where);
	if (bench_field(step, "pa"))
		cr_expect_eq(stall->end.pa, bench_number(step, "pa"), "%s: pa", s->where);
	if (*response)
		cr_expect_eq(stall->end.sees, !strcmp(response, "razwi") ? SEES_ZERO : SEES_ABORT,
			     "%s: response", s->where);
}

static void do_page_request(struct sequence *s, yaml_node_t *step)
{
	const char *expect = bench_text(step, "expect"), *access = bench_text(step, "rw");
	struct smmuv3_page_request request = {
		.device = bench_device(&s->bench, (uint32_t)bench_number(step, "sid")),
		.pasid = NO_PASID,
		.iova = bench_number(step, "addr"),
		.group = (uint16_t)bench_number(step, "prgi"),
		.last = bench_number(step, "last") != 0,
		.read = strchr(access, 'R') != NULL,
		.write = strchr(access, 'W') != NULL,
	};
	enum smmuv3_page_answer want = !strcmp(expect, "queued")	       ? PRI_QUEUED
				       : !strcmp(expect, "discarded silently") ? PRI_DISCARDED
									       : PRI_AUTO_SUCCESS;

	cr_expect_eq(smmuv3_page_request(s->bench.iommu, &request), want, "%s: answer", s->where);
}

static uint64_t counter(const struct iommu *iommu, const char *name)
{
	const char *at;
	uint64_t value;

	for (unsigned i = 0; (at = smmuv3_model.counter(iommu, i, &value)); i++)
		if (!strcmp(at, name))
			return value;
	cr_assert(false, "no counter %s", name);
	return 0;
}

static void check_report(struct sequence *s, yaml_node_t *step)
{
	const char *name = bench_text(step, "report");
	struct bench *bench = &s->bench;

	if (!strcmp(name, "use-after-unmap")) {
		cr_expect_gt(bench->stale_uses, 0, "%s: nothing reported", s->where);
		cr_expect_eq(bench->stale_pa & ~0xfffull, bench_number(step, "pa"), "%s: of 0x%llx",
			     s->where, (unsigned long long)bench->stale_pa);
	} else if (!strcmp(name, "table-uaf")) {
		cr_expect_gt(bench->table_uafs, 0, "%s: nothing reported", s->where);
		cr_expect_eq(bench->freed_word & ~0xfffull, bench_number(step, "table"), "%s",
			     s->where);
	} else if (!strcmp(bench_text(step, "queue"), "PRIQ")) {
		cr_expect_eq(counter(bench->iommu, "pri.lost"), bench_number(step, "lost"), "%s",
			     s->where);
	} else {
		cr_expect_eq(bench->overflows, bench_number(step, "lost"), "%s", s->where);
	}
}

/* A mapping with tables where there are none yet: as the driver's, below the TTB0 of the vectors. */
static void do_map(struct sequence *s, yaml_node_t *step)
{
	uint64_t va = bench_number(step, "va"), pa = bench_number(step, "pa");
	pa_t table = 0x80200000;

	for (unsigned level = 3; level > 0; level--) {
		pa_t word = table + (va >> (12 + 9 * level) & 511) * 8, below = table + 0x1000;
		uint64_t old = 0;

		cr_assert(memory_read(s->bench.memory, word, &old));
		if (!old)
			bench_write_word(&s->bench, word, below | 3);
		table = old ? old & ~0xfffull : below;
	}
	bench_write_word(&s->bench, table + (va >> 12 & 511) * 8, pa | 0x0060000000000f47);
}

static void run_step(struct sequence *s, yaml_node_t *step)
{
	const char *op = bench_text(step, "op");
	struct iommu *iommu = s->bench.iommu;
	yaml_node_t *list;

	if (!strcmp(op, "dma"))
		do_dma(s, step, DMA_UNTRANSLATED);
	else if (!strcmp(op, "dma_translated"))
		do_dma(s, step, DMA_TRANSLATED);
	else if (!strcmp(op, "ats_tr"))
		do_ats(s, step);
	else if (!strcmp(op, "write"))
		bench_write(&s->bench, bench_field(step, "mem"));
	else if (!strcmp(op, "map"))
		do_map(s, step);
	else if (!strcmp(op, "free_table"))
		tables_free(s->bench.tables, bench_number(step, "addr"), ++s->bench.event);
	else if (!strcmp(op, "cmd"))
		do_command(s, step);
	else if (!strcmp(op, "cmdq"))
		do_cmdq(s, step);
	else if (!strcmp(op, "cmdq_fix"))
		do_cmdq_fix(s, step);
	else if (!strcmp(op, "expect_regs"))
		check_regs(s, bench_field(step, "regs"));
	else if (!strcmp(op, "reg_write"))
		smmuv3_model.reg_write(iommu, ++s->bench.event, offset_of(bench_text(step, "reg")),
				       bench_number(step, "value"), 4);
	else if (!strcmp(op, "evtq")) {
		check_queue(s, step, SMMU_EVENTQ_PROD, SMMU_EVENTQ_CONS, SMMU_EVENTQ_BASE);
		check_last_record(s, bench_field(step, "last_record"));
	} else if (!strcmp(op, "priq"))
		check_queue(s, step, SMMU_PRIQ_PROD, SMMU_PRIQ_CONS, SMMU_PRIQ_BASE);
	else if (!strcmp(op, "ppr"))
		do_page_request(s, step);
	else if (!strcmp(op, "report"))
		check_report(s, step);
	else if (!strcmp(op, "expect_complete"))
		check_stall(s, step, STALL_COMPLETED);
	else if (!strcmp(op, "expect_terminated"))
		check_stall(s, step, STALL_TERMINATED);
	else if (!strcmp(op, "expect_stalled"))
		check_stall(s, step, STALL_RECORDED);
	else if (!strcmp(op, "ats_fill")) {
		list = bench_field(step, "entries");
		for (unsigned i = 0; i < bench_items(list); i++)
			smmuv3_atc_fill(
				iommu,
				bench_device(&s->bench,
					     (uint32_t)bench_number(bench_item(list, i), "sid")),
				bench_number(bench_item(list, i), "addr"), 0x800000000);
	} else if (!strcmp(op, "expect_atc")) {
		list = bench_field(step, "present");
		for (unsigned i = 0; i < bench_items(list); i++)
			cr_expect(smmuv3_atc_holds(iommu, 0, bench_value(bench_item(list, i))),
				  "%s: entry %u is gone", s->where, i);
		list = bench_field(step, "absent");
		for (unsigned i = 0; i < bench_items(list); i++)
			cr_expect(!smmuv3_atc_holds(iommu, 0, bench_value(bench_item(list, i))),
				  "%s: entry %u is still there", s->where, i);
	} else {
		cr_assert(false, "%s: unknown step %s", s->where, op);
	}
}

Test(smmuv3, follows_every_sequence)
{
	yaml_node_t *sequences;

	bench_document_open();
	sequences = bench_field(bench_root(), "sequences");
	cr_expect_eq(bench_items(sequences), 37);
	for (unsigned i = 0; i < bench_items(sequences); i++) {
		yaml_node_t *sequence = bench_item(sequences, i), *steps;
		struct sequence s = { .id = bench_text(sequence, "id") };

		bench_open(&s.bench, sequence);
		steps = bench_field(sequence, "steps");
		for (s.step = 0; s.step < bench_items(steps); s.step++) {
			snprintf(s.where, sizeof s.where, "%s: step %u", s.id, s.step + 1);
			run_step(&s, bench_item(steps, s.step));
		}
		bench_close(&s.bench);
	}
	bench_document_close();
}
