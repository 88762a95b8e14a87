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
