#include "tests/unit/smmuv3_bench.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sim/machine.h"

enum { RECORD_WORDS = 4 };
static const pa_t command_queue = 0xf0000000, event_queue = 0xf1000000, pri_queue = 0xf2000000;

yaml_document_t bench_document;

void bench_document_open(void)
{
	FILE *file = fopen("tests/data/smmuv3-vectors.yaml", "rb");
	yaml_parser_t parser;

	cr_assert(file != NULL, "run from the project's folder");
	yaml_parser_initialize(&parser);
	yaml_parser_set_input_file(&parser, file);
	cr_assert(yaml_parser_load(&parser, &bench_document));
	yaml_parser_delete(&parser);
	fclose(file);
}

void bench_document_close(void)
{
	yaml_document_delete(&bench_document);
}

yaml_node_t *bench_root(void)
{
	return yaml_document_get_root_node(&bench_document);
}

yaml_node_t *bench_field(yaml_node_t *map, const char *key)
{
	if (!map)
		return NULL;
	for (yaml_node_pair_t *pair = map->data.mapping.pairs.start;
	     pair < map->data.mapping.pairs.top; pair++) {
		yaml_node_t *name = yaml_document_get_node(&bench_document, pair->key);

		if (!strcmp((const char *)name->data.scalar.value, key))
			return yaml_document_get_node(&bench_document, pair->value);
	}
	return NULL;
}

unsigned bench_items(yaml_node_t *sequence)
{
	return sequence ? (unsigned)(sequence->data.sequence.items.top -
				     sequence->data.sequence.items.start)
			: 0;
}

yaml_node_t *bench_item(yaml_node_t *sequence, unsigned index)
{
	return yaml_document_get_node(&bench_document, sequence->data.sequence.items.start[index]);
}

const char *bench_text(yaml_node_t *map, const char *key)
{
	yaml_node_t *node = bench_field(map, key);

	return node ? (const char *)node->data.scalar.value : "";
}

uint64_t bench_value(yaml_node_t *scalar)
{
	return strtoull((const char *)scalar->data.scalar.value, NULL, 0);
}

uint64_t bench_number(yaml_node_t *map, const char *key)
{
	yaml_node_t *node = bench_field(map, key);

	return node ? bench_value(node) : 0;
}

bool bench_is_null(yaml_node_t *map, const char *key)
{
	return bench_field(map, key) && !strcmp(bench_text(map, key), "null");
}

/* ---- what the model tells ---------------------------------------------------------------------- */

static void on_fault(void *self, const struct fault_report *report)
{
	struct bench *bench = self;

	bench->fault = *report;
	bench->faulted = true;
	bench->overflows += report->fate == FAULT_LOST;
}

static void on_used(void *self, const struct checked_use *use)
{
	struct bench *bench = self;

	bench->use = *use;
	bench->used = true;
	bench->multi_hits += use->matches > 1;
	if (use->verdict == VERDICT_STALE_USE) {
		bench->stale_uses++;
		bench->stale_pa = use->served.pa;
	}
	if (use->page_freed_table) {
		bench->table_uafs++;
		bench->freed_word = use->table_word;
	}
}

/* ---- making one ----------------------------------------------------------------------------------- */

/* idr names fields of the ID registers; opts are switches that a sequence relies on. */
static void configure(struct smmuv3_config *config, yaml_node_t *vector)
{
	yaml_node_t *idr = bench_field(bench_field(vector, "config"), "idr");
	yaml_node_t *opts = bench_field(vector, "opts");

	if (bench_field(idr, "OAS"))
		config->oas = bench_number(idr, "OAS");
	if (bench_field(idr, "SSIDSIZE"))
		config->ssidsize = bench_number(idr, "SSIDSIZE");
	if (bench_field(idr, "SIDSIZE"))
		config->sidsize = bench_number(idr, "SIDSIZE");
	if (bench_field(opts, "BBML"))
		config->bbml = bench_number(opts, "BBML");
	if (!strcmp(bench_text(opts, "walk_cache"), "off"))
		config->walk_entries = 0;
	config->recinvsid = bench_number(bench_field(vector, "config"), "RECINVSID");
	config->atschk = bench_number(bench_field(vector, "config"), "ATSCHK");
	config->tlb_sets = 4096; /* nothing is evicted */
}

/* Queue sizes stand in config or in opts. */
static uint64_t log2_of(yaml_node_t *vector, const char *key)
{
	yaml_node_t *config = bench_field(vector, "config"), *opts = bench_field(vector, "opts");

	return bench_field(config, key) ? bench_number(config, key)
	       : bench_field(opts, key) ? bench_number(opts, key)
					: 7;
}

static void start(struct bench *bench, yaml_node_t *vector)
{
	yaml_node_t *config = bench_field(vector, "config");
	const struct {
		uint64_t offset, value;
	} writes[] = {
		{ SMMU_STRTAB_BASE, bench_number(config, "STRTAB_BASE") },
		{ SMMU_STRTAB_BASE_CFG, bench_number(config, "LOG2SIZE") |
						bench_number(config, "SPLIT") << 6 |
						bench_number(config, "FMT") << 16 },
		{ SMMU_CMDQ_BASE, command_queue | 4 },
		{ SMMU_EVENTQ_BASE, event_queue | log2_of(vector, "EVENTQ_LOG2SIZE") },
		{ SMMU_PRIQ_BASE, pri_queue | log2_of(vector, "PRIQ_LOG2SIZE") },
		{ SMMU_GBPA, 1ull << 31 | bench_number(config, "GBPA_ABORT") << 20 },
		{ SMMU_IRQ_CTRL, 7 },
		{ SMMU_CR0, bench_number(config, "SMMUEN") | 7ull << 1 |
				    bench_number(config, "ATSCHK") << 4 },
	};

	for (size_t i = 0; i < sizeof writes / sizeof writes[0]; i++)
		cr_assert(bench->iommu->model->reg_write(bench->iommu, 0, writes[i].offset,
							 writes[i].value, 8));
}

void bench_open(struct bench *bench, yaml_node_t *vector)
{
	yaml_node_t *aborts = bench_field(vector, "abort");
	struct machine *machine = NULL;

	*bench = (struct bench){ .observer = iommu_observer_silent };
	bench->observer.self = bench;
	bench->observer.used = on_used;
	bench->observer.fault = on_fault;
	cr_assert(machine_create("smmuv3", &machine, NULL) == 0);
	bench->config = *(struct smmuv3_config *)machine->model_config;
	machine_destroy(machine);
	configure(&bench->config, vector);
	cr_assert(memory_create(1ull << bench->config.oas, &bench->memory, NULL) == 0);
	cr_assert(tables_create(bench->memory, &bench->tables, NULL) == 0);
	cr_assert(smmuv3_model.create(&bench->config, 1, bench->tables, &bench->observer,
				      &bench->iommu, NULL) == 0);
	bench_write(bench, bench_field(vector, "memory"));
	for (unsigned i = 0; i < bench_items(aborts); i++) {
		uint64_t first = bench_number(bench_item(aborts, i), "addr");
		uint64_t size = bench_number(bench_item(aborts, i), "size");

		cr_assert(memory_abort(bench->memory, first, first + size - 1, NULL) == 0);
	}
	start(bench, vector);
}

void bench_close(struct bench *bench)
{
	smmuv3_model.destroy(bench->iommu);
	tables_destroy(bench->tables);
	memory_destroy(bench->memory);
}

void bench_write_word(struct bench *bench, pa_t pa, uint64_t value)
{
	/* where the unit does not snoop, most words stay in a CPU's cache */
	if (bench->memory->view && (pa >> 3 ^ bench->event) % 4)
		cr_assert(memory_view_hold(bench->memory, pa, 1, value, 0, bench->event) == 0);
	cr_assert(tables_store(bench->tables, pa, 1, value, 0, NULL) == 0);
	smmuv3_model.tables_changed(bench->iommu, bench->event, bench->tables->changes,
				    bench->tables->n_changes);
}

void bench_write(struct bench *bench, yaml_node_t *words)
{
	bench->event++;
	for (yaml_node_pair_t *pair = words->data.mapping.pairs.start;
	     pair < words->data.mapping.pairs.top; pair++)
		bench_write_word(bench,
				 bench_value(yaml_document_get_node(&bench_document, pair->key)),
				 bench_value(yaml_document_get_node(&bench_document, pair->value)));
}

uint32_t bench_device(struct bench *bench, uint32_t sid)
{
	uint32_t handle;

	for (uint32_t i = 0; i < bench->n_devices; i++)
		if (bench->sids[i] == sid)
			return i;
	cr_assert(smmuv3_model.add_device(bench->iommu, sid, true, &handle, NULL) == 0);
	cr_assert_eq(handle, bench->n_devices);
	bench->sids[bench->n_devices++] = sid;
	return handle;
}

struct dma_request bench_request(struct bench *bench, yaml_node_t *request)
{
	bool write = bench_field(request, "rnw") && !bench_number(request, "rnw");

	return (struct dma_request){
		.iova = bench_number(request, "addr"),
		.len = 1,
		.device = bench_device(bench, (uint32_t)bench_number(request, "sid")),
		.pasid = bench_field(request, "ssid") ? (uint32_t)bench_number(request, "ssid")
						      : NO_PASID,
		.access = write				 ? ACCESS_WRITE
			  : bench_number(request, "ind") ? ACCESS_EXECUTE
							 : ACCESS_READ,
		.privileged = bench_number(request, "priv") != 0,
	};
}

struct dma_result bench_translate(struct bench *bench, const struct dma_request *request)
{
	struct dma_result result;

	bench->faulted = bench->used = false;
	bench->event++;
	cr_assert_eq(smmuv3_model.translate(bench->iommu, bench->event, request, &result, 1), 1);
	return result;
}

uint64_t bench_reg(struct bench *bench, uint64_t offset)
{
	uint64_t value = 0;

	cr_assert(smmuv3_model.reg_read(bench->iommu, offset, 4, &value));
	return value;
}

/* ---- checking ------------------------------------------------------------------------------------- */

/* Record words as the queue in memory has them, last one written. */
static void check_record(struct bench *bench, yaml_node_t *expect, const char *id)
{
	yaml_node_t *record = bench_field(expect, "record"), *mask = bench_field(expect, "mask");
	uint64_t base = bench_reg(bench, SMMU_EVENTQ_BASE),
		 prod = bench_reg(bench, SMMU_EVENTQ_PROD);
	pa_t at = (base & ~31ull) + ((prod - 1) & low_mask((unsigned)bits(base, 4, 0))) * 32;

	if (!record)
		return;
	cr_expect_eq(bench->fault.fate, FAULT_RECORDED, "%s: the event is not recorded", id);
	for (unsigned i = 0; i < RECORD_WORDS; i++) {
		uint64_t want = bench_value(bench_item(record, i)), got = 0;
		uint64_t care = mask ? bench_value(bench_item(mask, i)) : UINT64_MAX;

		cr_assert(memory_read(bench->memory, at + i * 8ull, &got));
		cr_expect_eq(got & care, want & care,
			     "%s: record word %u is 0x%016llx, not 0x%016llx", id, i,
			     (unsigned long long)got, (unsigned long long)want);
	}
}

static void check_event(struct bench *bench, yaml_node_t *expect, const char *id)
{
	const char *name = bench_text(expect, "event");

	if (!bench_field(expect, "event") || !strcmp(name, "pending"))
		return;
	if (bench_is_null(expect, "event")) {
		cr_expect(!bench->faulted || bench->fault.fate == FAULT_SILENT, "%s: an event", id);
		return;
	}
	cr_expect(bench->faulted, "%s: no event", id);
	if (!strcmp(name, "lost")) {
		cr_expect_eq(bench->fault.fate, FAULT_LOST, "%s: not lost", id);
		return;
	}
	cr_expect_eq(bench->fault.fate, FAULT_RECORDED, "%s: not recorded", id);
	cr_expect_str_eq(smmuv3_model.fault_name(bench->fault.code), name, "%s: event", id);
	if (bench_field(expect, "event_id"))
		cr_expect_eq(bench->fault.code, bench_number(expect, "event_id"), "%s: number", id);
	check_record(bench, expect, id);
}

static void check_translated(struct bench *bench, yaml_node_t *expect,
			     const struct dma_result *result, const char *id)
{
	const struct smmuv3_detail *detail = smmuv3_detail(bench->iommu);
	bool global = !strcmp(bench_text(expect, "global"), "true");

	cr_expect_eq(result->outcome, OUTCOME_OK, "%s: outcome", id);
	if (bench_field(expect, "pa"))
		cr_expect_eq(result->pa, bench_number(expect, "pa"), "%s: pa 0x%llx", id,
			     (unsigned long long)result->pa);
	if (bench_field(expect, "page_size"))
		cr_expect_eq(1ull << result->page_lg2, bench_number(expect, "page_size"),
			     "%s: page size 2^%u", id, result->page_lg2);
	if (bench_field(expect, "s1_level"))
		cr_expect_eq(detail->s1_level, (int)bench_number(expect, "s1_level"),
			     "%s: s1_level %d", id, detail->s1_level);
	if (bench_field(expect, "s2_level"))
		cr_expect_eq(detail->s2_level, (int)bench_number(expect, "s2_level"),
			     "%s: s2_level %d", id, detail->s2_level);
	cr_expect(!bench_field(expect, "vmid") ||
			  (detail->tagged_vmid && detail->vmid == bench_number(expect, "vmid")),
		  "%s: vmid", id);
	cr_expect(!bench_field(expect, "asid") ||
			  (detail->tagged_asid && detail->asid == bench_number(expect, "asid")),
		  "%s: asid", id);
	cr_expect(!bench_field(expect, "global") || detail->global == global, "%s: global", id);
	if (bench_field(expect, "s1_contig_span"))
		cr_expect_eq(1ull << detail->contiguous_lg2, bench_number(expect, "s1_contig_span"),
			     "%s: span of the contiguous set", id);
	if (bench_field(expect, "stale"))
		cr_expect(bench->used && bench->use.verdict == VERDICT_STALE_USE, "%s: not stale",
			  id);
}

static void check_refused(struct bench *bench, yaml_node_t *expect, const struct dma_result *result,
			  const char *id)
{
	const char *response = bench_text(expect, "response");
	const struct smmuv3_detail *detail = smmuv3_detail(bench->iommu);
	bool stalled = !strcmp(bench_text(expect, "result"), "stalled");

	cr_expect_eq(result->outcome, OUTCOME_FAULT, "%s: outcome", id);
	if (stalled)
		cr_expect_eq(result->sees, SEES_NOTHING, "%s: not stalled", id);
	if (*response)
		cr_expect_eq(result->sees, !strcmp(response, "razwi") ? SEES_ZERO : SEES_ABORT,
			     "%s: response", id);
	if (bench_field(expect, "fault_level"))
		cr_expect_eq(detail->fault_level, atoi(bench_text(expect, "fault_level")),
			     "%s: fault level %d", id, detail->fault_level);
	if (bench_field(expect, "ipa"))
		cr_expect_eq(detail->ipa, bench_number(expect, "ipa"), "%s: ipa", id);
	if (bench_field(expect, "s2"))
		cr_expect_eq(detail->fault_s2, bench_number(expect, "s2") != 0, "%s: stage", id);
	check_event(bench, expect, id);
}

static bool one_of(yaml_node_t *options, const struct dma_result *result)
{
	for (unsigned i = 0; i < bench_items(options); i++) {
		const char *option = (const char *)bench_item(options, i)->data.scalar.value;

		if (result->outcome == OUTCOME_OK
			    ? (option[0] == '0' && strtoull(option, NULL, 0) == result->pa) ||
				      !strcmp(option, "bypass")
			    : !strcmp(option, smmuv3_model.fault_name(result->fault)))
			return true;
	}
	return false;
}

static void check_memory(struct bench *bench, yaml_node_t *words, const char *id)
{
	for (yaml_node_pair_t *pair = words ? words->data.mapping.pairs.start : NULL;
	     words && pair < words->data.mapping.pairs.top; pair++) {
		uint64_t got = 0;

		cr_assert(memory_read(
			bench->memory,
			bench_value(yaml_document_get_node(&bench_document, pair->key)), &got));
		cr_expect_eq(got, bench_value(yaml_document_get_node(&bench_document, pair->value)),
			     "%s: memory 0x%llx", id, (unsigned long long)got);
	}
}

void bench_check(struct bench *bench, yaml_node_t *expect, const struct dma_request *request,
		 const struct dma_result *result, const char *id)
{
	const char *want = bench_text(expect, "result");

	if (!strcmp(want, "any_of"))
		cr_expect(one_of(bench_field(expect, "options"), result), "%s: none of the options",
			  id);
	else if (!strcmp(want, "translated"))
		check_translated(bench, expect, result, id);
	else if (!strcmp(want, "bypass"))
		cr_expect(result->outcome == OUTCOME_OK &&
				  result->pa == (bench_field(expect, "pa")
							 ? bench_number(expect, "pa")
							 : request->iova),
			  "%s: not bypassed", id);
	else if (strcmp(want, "any") != 0)
		check_refused(bench, expect, result, id);
	if (!strcmp(bench_text(expect, "report"), "multi-hit"))
		cr_expect(bench->used && bench->use.matches > 1, "%s: no multi-hit", id);
	check_memory(bench, bench_field(expect, "memory_after"), id);
}
