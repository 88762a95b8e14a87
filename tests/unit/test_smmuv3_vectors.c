/* The SMMUv3 model against its vectors: single accesses with cold caches, and command encodings. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/unit/smmuv3_bench.h"

static void run_vector(yaml_node_t *vector)
{
	const char *id = bench_text(vector, "id");
	struct dma_request request;
	struct dma_result result, truth;
	struct bench bench;

	bench_open(&bench, vector);
	request = bench_request(&bench, bench_field(vector, "request"));
	smmuv3_model.truth(bench.iommu, &request, &truth);
	result = bench_translate(&bench, &request);
	bench_check(&bench, bench_field(vector, "expect"), &request, &result, id);
	cr_expect_eq(truth.outcome, result.outcome, "%s: the uncached walk differs", id);
	cr_expect_eq(truth.pa, result.pa, "%s: the uncached walk differs", id);
	bench_close(&bench);
}

Test(smmuv3, answers_every_single_access)
{
	yaml_node_t *vectors;

	bench_document_open();
	vectors = bench_field(bench_root(), "vectors");
	cr_expect_eq(bench_items(vectors), 93);
	for (unsigned i = 0; i < bench_items(vectors); i++)
		run_vector(bench_item(vectors, i));
	bench_document_close();
}

static const struct smmuv3_command encodings[] = {
	{ .opcode = CMD_CFGI_STE, .sid = 0x10, .leaf = 1 },
	{ .opcode = CMD_CFGI_STE_RANGE, .size = 31 },
	{ .opcode = CMD_CFGI_CD, .sid = 0x10, .ssid = 5, .leaf = 1 },
	{ .opcode = CMD_CFGI_CD_ALL, .sid = 0x10 },
	{ .opcode = CMD_TLBI_NH_ALL, .vmid = 3 },
	{ .opcode = CMD_TLBI_NH_ASID, .vmid = 3, .asid = 1 },
	{ .opcode = CMD_TLBI_NH_VA, .vmid = 3, .asid = 1, .page = 0x12345, .leaf = 1 },
	{ .opcode = CMD_TLBI_NH_VAA, .vmid = 3, .page = 0x12345 },
	{ .opcode = CMD_TLBI_NH_VA,
	  .vmid = 3,
	  .asid = 1,
	  .page = 0x40000,
	  .leaf = 1,
	  .tg = 1,
	  .ttl = 3,
	  .scale = 9 },
	{ .opcode = CMD_TLBI_S12_VMALL, .vmid = 9 },
	{ .opcode = CMD_TLBI_S2_IPA, .vmid = 9, .page = 0x50005, .leaf = 1 },
	{ .opcode = CMD_TLBI_NSNH_ALL },
	{ .opcode = CMD_ATC_INV, .sid = 0x10, .page = 8, .size = 3 },
	{ .opcode = CMD_ATC_INV, .sid = 0x10, .ssid = 5, .ssv = 1, .size = 52 },
	{ .opcode = CMD_PRI_RESP, .sid = 0x10, .ssid = 5, .ssv = 1, .group = 0x12, .response = 2 },
	{ .opcode = CMD_RESUME, .sid = 0x10, .stag = 0x1234, .retry = 1 },
	{ .opcode = CMD_RESUME, .sid = 0x10, .stag = 0x1234, .abort = 1 },
	{ .opcode = CMD_STALL_TERM, .sid = 0x10 },
	{ .opcode = CMD_SYNC },
	{ .opcode = CMD_SYNC, .signal = 2 },
};

/* In the file's order; each is also legal, and comes back from its words. */
Test(smmuv3, packs_every_command)
{
	yaml_node_t *list;
	struct bench bench;

	bench_document_open();
	list = bench_field(bench_root(), "encodings");
	cr_assert_eq(bench_items(list), sizeof encodings / sizeof encodings[0]);
	bench_open(&bench, bench_item(bench_field(bench_root(), "vectors"), 0));
	for (unsigned i = 0; i < bench_items(list); i++) {
		yaml_node_t *raw = bench_field(bench_item(list, i), "raw");
		const char *name = bench_text(bench_item(list, i), "name");
		struct native_command native;
		struct smmuv3_command back;
		struct inval_report report;

		cr_assert(smmuv3_pack(&encodings[i], &native));
		cr_expect_eq(native.words[0], bench_value(bench_item(raw, 0)), "%s", name);
		cr_expect_eq(native.words[1], bench_value(bench_item(raw, 1)), "%s", name);
		cr_assert(smmuv3_unpack(&native, &back));
		cr_assert(smmuv3_pack(&back, &native));
		cr_expect_eq(native.words[0], bench_value(bench_item(raw, 0)), "%s", name);
		cr_expect_eq(native.words[1], bench_value(bench_item(raw, 1)), "%s", name);
		cr_expect_eq(smmuv3_model.execute(bench.iommu, 1, &native, &report, NULL), 0, "%s",
			     name);
	}
	bench_close(&bench);
	bench_document_close();
}

/* The same again: what the caches now hold must answer the same. */
Test(smmuv3, answers_every_single_access_from_its_caches)
{
	yaml_node_t *vectors;

	bench_document_open();
	vectors = bench_field(bench_root(), "vectors");
	for (unsigned i = 0; i < bench_items(vectors); i++) {
		yaml_node_t *vector = bench_item(vectors, i);
		struct dma_result first, second;
		struct dma_request request;
		struct bench bench;

		bench_open(&bench, vector);
		request = bench_request(&bench, bench_field(vector, "request"));
		first = bench_translate(&bench, &request);
		second = bench_translate(&bench, &request);
		cr_expect_eq(first.outcome, second.outcome, "%s", bench_text(vector, "id"));
		cr_expect_eq(first.pa, second.pa, "%s", bench_text(vector, "id"));
		cr_expect_eq(first.fault, second.fault, "%s", bench_text(vector, "id"));
		cr_expect_eq(first.sees, second.sees, "%s", bench_text(vector, "id"));
		bench_close(&bench);
	}
	bench_document_close();
}
