/*
 * The VT-d model against test vectors of legacy mode: registers, table images, one request each and
 * what must come of it. The vectors of ATS requests that a device TLB would answer are left out, as
 * the model leaves device TLBs out.
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
		.pasid = NO_PASID,
		.access = !strcmp(text(request, "access"), "write") ? ACCESS_WRITE : ACCESS_READ,
		.type = !strcmp(type, "translation")  ? DMA_TRANSLATION_REQUEST
			: !strcmp(type, "translated") ? DMA_TRANSLATED
						      : DMA_UNTRANSLATED,
	};
}

static void check_record(struct iommu *iommu, yaml_node_t *expect, const char *id)
{
	yaml_node_t *record = field(expect, "record");

	for (int word = 0; record && word < 2; word++) {
		yaml_node_t *node =
			yaml_document_get_node(&document, record->data.sequence.items.start[word]);
		uint64_t value = 0;

		cr_assert(iommu->model->reg_read(iommu, 0x220 + 8ull * (unsigned)word, 8, &value));
		cr_expect_eq(value, strtoull((const char *)node->data.scalar.value, NULL, 0),
			     "%s: word %d of the record", id, word);
	}
}

static void check(struct iommu *iommu, yaml_node_t *expect, const struct dma_result *result,
		  const char *id)
{
	const char *want = text(expect, "result"), *device = text(expect, "device");
	int outcome = !strcmp(want, "ok")	   ? OUTCOME_OK
		      : !strcmp(want, "fault")	   ? OUTCOME_FAULT
		      : !strcmp(want, "interrupt") ? OUTCOME_INTERRUPT
						   : OUTCOME_BLOCKED;

	cr_expect_eq(result->outcome, outcome, "%s: outcome", id);
	if (outcome == OUTCOME_OK) {
		cr_expect_eq(result->pa, number(expect, "pa"), "%s: address", id);
		cr_expect_eq(1ull << result->page_lg2, number(expect, "page_size"), "%s: page size",
			     id);
		cr_expect_eq(result->perm, perm_of(text(expect, "perm")), "%s: permissions", id);
		cr_expect_eq((result->flags & TLB_SNOOP) != 0,
			     !strcmp(text(expect, "snoop"), "true"), "%s: snoop", id);
	}
	if (outcome == OUTCOME_FAULT) {
		cr_expect_eq(result->fault, (unsigned)number(expect, "fault"), "%s: reason", id);
		cr_expect_eq(any_fault && told.fate == FAULT_RECORDED,
			     !strcmp(text(expect, "logged"), "true"), "%s: recorded", id);
		check_record(iommu, expect, id);
	}
	if (*device)
		cr_expect_eq(result->sees,
			     !strcmp(device, "ok")   ? SEES_OK
			     : !strcmp(device, "ur") ? SEES_UNSUPPORTED
						     : SEES_DROPPED,
			     "%s: what the device sees", id);
}

/* Answers of device TLBs are not modelled. */
static bool left_out(const char *id)
{
	return !strcmp(id, "vtd-L44") || !strcmp(id, "vtd-L45");
}

static void run_vector(yaml_node_t *vector)
{
	static const struct iommu_observer observer = {
		.used = on_used, .copy_opens = on_copy, .copy_closes = on_copy, .fault = on_fault
	};
	yaml_node_t *config = field(vector, "config"), *words = field(vector, "memory");
	struct dma_request request = request_of(field(vector, "request"));
	struct vtd_config vtd = config_of(config);
	struct memory *memory;
	struct tables *tables;
	struct iommu *iommu;
	struct dma_result result, truth;

	cr_assert(memory_create(number(config, "ram_limit"), &memory, NULL) == 0);
	cr_assert(tables_create(memory, &tables, NULL) == 0);
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
	cr_assert(vtd_model.create(&vtd, 1, tables, &observer, &iommu, NULL) == 0);
	cr_assert(vtd_model.add_device(iommu, (uint32_t)number(field(vector, "request"), "sid"),
				       false, &request.device, NULL) == 0);
	vtd_model.reg_write(iommu, 0, 0x20, number(config, "rtaddr"), 8);
	vtd_model.reg_write(iommu, 0, 0x18, 1u << 30, 4);
	vtd_model.reg_write(iommu, 0, 0x18, 1u << 31, 4);
	any_fault = false;
	vtd_model.truth(iommu, &request, &truth);
	vtd_model.translate(iommu, 0, &request, &result, 1);
	check(iommu, field(vector, "expect"), &result, text(vector, "id"));
	cr_expect_eq(truth.outcome, result.outcome, "%s: the uncached walk differs",
		     text(vector, "id"));
	cr_expect_eq(truth.pa, result.pa, "%s: the uncached walk differs", text(vector, "id"));
	vtd_model.destroy(iommu);
	tables_destroy(tables);
	memory_destroy(memory);
}

Test(vtd, answers_every_vector_of_legacy_mode)
{
	FILE *file = fopen("tests/vectors/vtd-legacy.yaml", "rb");
	yaml_parser_t parser;
	yaml_node_t *vectors;
	int n = 0;

	cr_assert(file != NULL, "run from the project's folder");
	yaml_parser_initialize(&parser);
	yaml_parser_set_input_file(&parser, file);
	cr_assert(yaml_parser_load(&parser, &document));
	vectors = field(yaml_document_get_root_node(&document), "vectors");
	for (yaml_node_item_t *item = vectors->data.sequence.items.start;
	     item < vectors->data.sequence.items.top; item++) {
		yaml_node_t *vector = yaml_document_get_node(&document, *item);

		if (left_out(text(vector, "id")))
			continue;
		run_vector(vector);
		n++;
	}
	cr_expect_eq(n, 45);
	yaml_document_delete(&document);
	yaml_parser_delete(&parser);
	fclose(file);
}
