/*
 * The VT-d model against all test vectors of legacy and scalable mode: registers, table images, one
 * request each and what must come of it, from empty caches.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "hw/vtd/vtd.h"
#include "sim/machine.h"

static yaml_document_t document;

static yaml_node_t *field(yaml_node_t *map, const char *key)
{
	for (yaml_node_pair_t *pair = map->data.mapping.pairs.start;
	     pair < map->data.mapping.pairs.top; pair++) {
		yaml_node_t *name = yaml_document_get_node(&document, pair->key);

		if (!strcmp((const char *)name->data.scalar.value, key))
			return yaml_document_get_node(&document, pair->value);
	}
	return NULL;
}

static const char *text(yaml_node_t *map, const char *key)
{
	yaml_node_t *node = field(map, key);

	return node ? (const char *)node->data.scalar.value : "";
}

static uint64_t number(yaml_node_t *map, const char *key)
{
	return strtoull(text(map, key), NULL, 0);
}

static unsigned perm_of(const char *word)
{
	return (strchr(word, 'r') ? (unsigned)TLB_READ : 0) |
	       (strchr(word, 'w') ? (unsigned)TLB_WRITE : 0);
}

/* CAP and ECAP as the model's settings. */
static struct vtd_config config_of(yaml_node_t *config)
{
	uint64_t cap = number(config, "cap"), ecap = number(config, "ecap");
	struct machine *machine;
	struct vtd_config vtd;

	cr_assert(machine_create("vtd", &machine, NULL) == 0);
	vtd = *(struct vtd_config *)machine->model_config;
	machine_destroy(machine);
	vtd.haw = number(config, "haw");
	vtd.mgaw = bits(cap, 21, 16) + 1;
	vtd.levels_3 = bit(cap, 9);
	vtd.levels_4 = bit(cap, 10);
	vtd.levels_5 = bit(cap, 11);
	vtd.zero_length_read = bit(cap, 22);
	vtd.pages_2m = bit(cap, 34);
	vtd.pages_1g = bit(cap, 35);
	vtd.fault_records = bits(cap, 47, 40) + 1;
	vtd.snoop_control = bit(ecap, 7);
	vtd.pass_through = bit(ecap, 6);
	vtd.device_tlbs = bit(ecap, 2);
	vtd.scalable = bit(ecap, 43);
	vtd.nested = bit(ecap, 26);
	vtd.execute_requests = bit(ecap, 30);
	vtd.supervisor_requests = bit(ecap, 31);
	vtd.extended_accessed = bit(ecap, 34);
	vtd.second_stage_ad = bit(ecap, 45);
	vtd.second_stage = bit(ecap, 46);
	vtd.first_stage = bit(ecap, 47);
	vtd.page_walk_snoop = bit(ecap, 48);
	vtd.rid_pasid = bit(ecap, 49);
	vtd.first_stage_1g = bit(cap, 56);
	vtd.first_stage_5_levels = bit(cap, 60);
	return vtd;
}

static struct fault_report told;
static bool any_fault;

static void on_fault(void *self, const struct fault_report *report)
{
	(void)self;
	told = *report;
	any_fault = true;
}

static void on_used(void *self, const struct checked_use *use)
{
	(void)self;
	(void)use;
}

static void on_copy(void *self, const struct cached_copy *copy)
{
	(void)self;
	(void)copy;
}

static struct dma_request request_of(yaml_node_t *request)
{
	const char *type = text(request, "type");

	return (struct dma_request){
		.iova = number(request, "iova"),
		.len = (uint32_t)number(request, "size"),
		.pasid = !strcmp(text(request, "pasid"), "none")
				 ? NO_PASID
				 : (uint32_t)number(request, "pasid"),
		.privileged = (uint8_t)number(request, "priv"),
		.access = !strcmp(text(request, "access"), "write") ? ACCESS_WRITE : ACCESS_READ,
		.type = !strcmp(type, "translation")  ? DMA_TRANSLATION_REQUEST
			: !strcmp(type, "translated") ? DMA_TRANSLATED
						      : DMA_UNTRANSLATED,
	};
}

static uint64_t item(yaml_node_t *list, int index)
{
	yaml_node_t *node =
		yaml_document_get_node(&document, list->data.sequence.items.start[index]);

	return strtoull((const char *)node->data.scalar.value, NULL, 0);
}

static void check_record(struct iommu *iommu, yaml_node_t *expect, const char *id)
{
	yaml_node_t *record = field(expect, "record"), *masks = field(expect, "record_mask");

	for (int word = 0; record && word < 2; word++) {
		uint64_t mask = masks ? item(masks, word) : UINT64_MAX, value = 0;

		cr_assert(iommu->model->reg_read(iommu, 0x220 + 8ull * (unsigned)word, 8, &value));
		cr_expect_eq(value & mask, item(record, word) & mask,
			     "%s: word %d of the record is 0x%llx", id, word,
			     (unsigned long long)value);
	}
}

static int outcome_of(const char *word)
{
	return !strcmp(word, "ok")	    ? OUTCOME_OK
	       : !strcmp(word, "fault")	    ? OUTCOME_FAULT
	       : !strcmp(word, "interrupt") ? OUTCOME_INTERRUPT
					    : OUTCOME_BLOCKED;
}

static int sees_of(const char *word)
{
	return !strcmp(word, "ok")   ? SEES_OK
	       : !strcmp(word, "ur") ? SEES_UNSUPPORTED
	       : !strcmp(word, "ta") ? SEES_ABORT
				     : SEES_DROPPED;
}

static void check(struct iommu *iommu, yaml_node_t *expect, const struct dma_result *result,
		  const char *id)
{
	const char *device = text(expect, "device"), *logged = text(expect, "logged");

	cr_expect_eq(result->outcome, outcome_of(text(expect, "result")), "%s: outcome", id);
	if (field(expect, "pa"))
		cr_expect_eq(result->pa, number(expect, "pa"), "%s: address", id);
	if (field(expect, "page_size"))
		cr_expect_eq(1ull << result->page_lg2, number(expect, "page_size"), "%s: page size",
			     id);
	if (field(expect, "perm"))
		cr_expect_eq(result->perm, perm_of(text(expect, "perm")), "%s: permissions", id);
	if (result->outcome == OUTCOME_OK)
		cr_expect_eq((result->flags & TLB_SNOOP) != 0,
			     !strcmp(text(expect, "snoop"), "true"), "%s: snoop", id);
	if (field(expect, "fault"))
		cr_expect_eq(result->fault, (unsigned)number(expect, "fault"), "%s: reason 0x%x",
			     id, result->fault);
	if (strcmp(logged, "unspecified"))
		cr_expect_eq(any_fault && told.fate == FAULT_RECORDED, !strcmp(logged, "true"),
			     "%s: recorded", id);
	check_record(iommu, expect, id);
	if (*device)
		cr_expect_eq(result->sees, sees_of(device), "%s: what the device sees", id);
}

/* Words of a map of addresses to values into memory. */
static void store_words(struct tables *tables, yaml_node_t *words)
{
	for (yaml_node_pair_t *pair = words->data.mapping.pairs.start;
	     pair < words->data.mapping.pairs.top; pair++)
		cr_assert(tables_store(tables,
				       strtoull((const char *)yaml_document_get_node(&document,
										     pair->key)
							->data.scalar.value,
						NULL, 0),
				       1,
				       strtoull((const char *)yaml_document_get_node(&document,
										     pair->value)
							->data.scalar.value,
						NULL, 0),
				       0, NULL) == 0);
}

/* Every word of the image is what it was, or what memory_after says. */
static void check_memory(const struct memory *memory, yaml_node_t *words, yaml_node_t *after,
			 const char *id)
{
	for (yaml_node_pair_t *pair = words->data.mapping.pairs.start;
	     pair < words->data.mapping.pairs.top; pair++) {
		const char *at = (const char *)yaml_document_get_node(&document, pair->key)
					 ->data.scalar.value;
		const char *old = (const char *)yaml_document_get_node(&document, pair->value)
					  ->data.scalar.value;
		uint64_t want = strtoull(old, NULL, 0), value = 0;

		if (after && field(after, at))
			want = number(after, at);
		cr_assert(memory_read(memory, strtoull(at, NULL, 0), &value));
		cr_expect_eq(value, want, "%s: word at %s is 0x%llx", id, at,
			     (unsigned long long)value);
	}
}

static void run_request(struct iommu *iommu, const struct memory *memory, yaml_node_t *vector)
{
	struct dma_request request = request_of(field(vector, "request"));
	yaml_node_t *words = field(vector, "memory"), *expect = field(vector, "expect");
	const char *id = text(vector, "id");
	struct dma_result result, truth;

	cr_assert(vtd_model.add_device(iommu, (uint32_t)number(field(vector, "request"), "sid"),
				       false, &request.device, NULL) == 0);
	vtd_model.reg_write(iommu, 0, 0x20, number(field(vector, "config"), "rtaddr"), 8);
	vtd_model.reg_write(iommu, 0, 0x18, 1u << 30, 4);
	vtd_model.reg_write(iommu, 0, 0x18, 1u << 31, 4);
	any_fault = false;
	vtd_model.truth(iommu, &request, &truth);
	check_memory(memory, words, NULL, id);
	vtd_model.translate(iommu, 0, &request, &result, 1);
	check(iommu, expect, &result, id);
	check_memory(memory, words, field(expect, "memory_after"), id);
	cr_expect_eq(truth.outcome, result.outcome, "%s: the uncached walk differs", id);
	cr_expect_eq(truth.pa, result.pa, "%s: the uncached walk differs", id);
	cr_expect_eq(truth.fault, result.fault, "%s: the uncached walk differs", id);
	/* From the caches the same comes out again. */
	vtd_model.translate(iommu, 1, &request, &result, 1);
	cr_expect_eq(truth.outcome, result.outcome, "%s: the second time differs", id);
	cr_expect_eq(truth.pa, result.pa, "%s: the second time differs", id);
	cr_expect_eq(truth.fault, result.fault, "%s: the second time differs", id);
	cr_expect_eq(truth.perm, result.perm, "%s: the second time differs", id);
}

static void run_vector(yaml_node_t *vector)
{
	static const struct iommu_observer observer = {
		.used = on_used, .copy_opens = on_copy, .copy_closes = on_copy, .fault = on_fault
	};
	yaml_node_t *config = field(vector, "config");
	struct vtd_config vtd = config_of(config);
	struct memory *memory;
	struct tables *tables;
	struct iommu *iommu;

	cr_assert(memory_create(number(config, "ram_limit"), &memory, NULL) == 0);
	cr_assert(tables_create(memory, &tables, NULL) == 0);
	store_words(tables, field(vector, "memory"));
	cr_assert(vtd_model.create(&vtd, 1, tables, &observer, &iommu, NULL) == 0);
	run_request(iommu, memory, vector);
	vtd_model.destroy(iommu);
	tables_destroy(tables);
	memory_destroy(memory);
}

Test(vtd, answers_every_vector)
{
	FILE *file = fopen("tests/vectors/vtd.yaml", "rb");
	yaml_parser_t parser;
	yaml_node_t *vectors;
	int n = 0;

	cr_assert(file != NULL, "run from the project's folder");
	yaml_parser_initialize(&parser);
	yaml_parser_set_input_file(&parser, file);
	cr_assert(yaml_parser_load(&parser, &document));
	vectors = field(yaml_document_get_root_node(&document), "vectors");
	for (yaml_node_item_t *at = vectors->data.sequence.items.start;
	     at < vectors->data.sequence.items.top; at++) {
		run_vector(yaml_document_get_node(&document, *at));
		n++;
	}
	cr_expect_eq(n, 92);
	yaml_document_delete(&document);
	yaml_parser_delete(&parser);
	fclose(file);
}
