/* The unit that vectors and sessions drive; the contract is in vector_unit.h. */
#include "analysis/vector_unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/vector_image.h"
#include "analysis/vector_schema.h"
#include "analysis/vector_values.h"
#include "sim/machine.h"
#include "sim/settings_io.h"

#define RAM_LIMIT_MAX (1ull << 52)

/* ---- what the model tells --------------------------------------------------------------- */

static void on_used(void *self, const struct checked_use *use)
{
	struct vector_unit *unit = self;
	struct unit_report report = { .iova = use->request->iova,
				      .pa = use->served.pa,
				      .table = use->page_freed_table ? use->table_word : NO_PA };

	if (use->matches > 1)
		unit_note_report(unit, REPORT_MULTI_HIT, &report);
	if (use->page_freed_table) /* whatever it held by then */
		unit_note_report(unit, REPORT_TABLE_UAF, &report);
	if (use->verdict == VERDICT_STALE_USE)
		unit_note_report(unit, REPORT_USE_AFTER_UNMAP, &report);
	if (use->verdict != VERDICT_STALE_USE && use->verdict != VERDICT_STALE_REFUSAL)
		return;
	if (unit->answer && use->copy->structure == STRUCTURE_CONFIG)
		unit->answer->stale_config = true;
	else if (unit->answer)
		unit->answer->stale = true;
}

static void on_overlap(void *self, uint64_t event, const struct dma_request *request,
		       const struct cached_copy *filled, const struct cached_copy *valid)
{
	struct unit_report report = { .iova = request->iova, .pa = filled->pa, .table = NO_PA };

	(void)event;
	(void)valid;
	unit_note_report(self, REPORT_MULTI_HIT, &report);
}

static void on_fault(void *self, const struct fault_report *report)
{
	struct vector_unit *unit = self;

	struct unit_report lost = { .iova = report->request->iova, .pa = NO_PA, .table = NO_PA };

	if (report->fate == FAULT_LOST) {
		unit->lost++;
		unit_note_report(unit, REPORT_QUEUE_OVERFLOW, &lost);
	}
	if (!unit->answer)
		return;
	unit->answer->told = report->fate != FAULT_SILENT;
	unit->answer->logged = report->fate == FAULT_RECORDED;
	unit->answer->lost = report->fate == FAULT_LOST;
}

/* ---- making it -------------------------------------------------------------------------- */

static int with_config(const struct value *config,
		       int (*use)(void *ctx, const struct named_value *values, size_t n,
				  struct err *err),
		       void *ctx, struct err *err)
{
	struct flat_values *flat = malloc(sizeof *flat);
	size_t kept = 0;
	int answer;

	if (!flat)
		return err_no_memory(err, "a vector's config");
	answer = values_flatten(config, "config", flat, err);
	for (size_t i = 0; i < flat->n; i++) /* ram_limit is memory's */
		if (strcmp(flat->values[i].name, "ram_limit") != 0)
			flat->values[kept++] = flat->values[i];
	if (!answer)
		answer = use(ctx, flat->values, kept, err);
	free(flat);
	return answer;
}

static int configure(void *ctx, const struct named_value *values, size_t n, struct err *err)
{
	struct machine *machine = ctx;

	return machine->model->vectors->configure_from(machine->model_config, values, n, err);
}

/* A setting of the model by its key ("vtd.walk.entries"), or a word of the model's own. */
static int apply_opt(struct machine *machine, const struct value *opt, struct err *err)
{
	const struct setting_table tables[] = {
		{ machine->model->name, machine->model->settings, 0, machine->model_config, NULL },
		{ "devices", device_settings, 0, &machine->device, NULL },
	};
	const struct iommu_vectors *vectors = machine->model->vectors;
	struct named_value option = { .name = opt->key, .text = opt->text };

	if (opt->kind != VALUE_TEXT)
		return err_set(err, ERR_CONFIG, "opts: %.60s: expected a value", opt->key);
	if (!vectors->option || strchr(opt->key, '.'))
		return settings_set_key(tables, 2, opt->key, opt->text, "opts", err);
	option.number = text_number(opt->text, &option.value);
	return vectors->option(machine->model_config, &option, err);
}

static int apply_opts(struct machine *machine, const struct value *opts, struct err *err)
{
	for (const struct value *opt = opts ? opts->first : NULL; opt; opt = opt->next)
		if (apply_opt(machine, opt, err))
			return -1;
	return 0;
}

static int create_parts(struct vector_unit *unit, struct machine *machine,
			const struct value *config, struct err *err)
{
	uint64_t limit = value_number(config, "ram_limit", RAM_LIMIT_MAX);

	if (limit < 4096 || limit > RAM_LIMIT_MAX)
		return err_set(err, ERR_CONFIG, "ram_limit: expected 0x1000 to 0x%llx",
			       RAM_LIMIT_MAX);
	if (memory_create(limit, &unit->memory, err) ||
	    tables_create(unit->memory, &unit->tables, err))
		return -1;
	unit->device_tlb = machine->device.tlb;
	return unit->model->create(machine->model_config, 1, unit->tables, &unit->observer,
				   &unit->iommu, err);
}

int unit_create(const struct iommu_model *model, const struct value *config,
		const struct value *opts, struct vector_unit **out, struct err *err)
{
	struct vector_unit *unit = calloc(1, sizeof *unit);
	struct machine *machine = NULL;
	int answer;

	if (!unit)
		return err_no_memory(err, "a vector's unit");
	unit->model = model;
	unit->observer = iommu_observer_silent;
	unit->observer.self = unit;
	unit->observer.used = on_used;
	unit->observer.overlap = on_overlap;
	unit->observer.fault = on_fault;
	answer = machine_create(model->name, &machine, err);
	if (!answer)
		answer = with_config(config, configure, machine, err);
	if (!answer)
		answer = apply_opts(machine, opts, err);
	if (!answer)
		answer = create_parts(unit, machine, config, err);
	machine_destroy(machine);
	if (answer) {
		unit_destroy(unit);
		return -1;
	}
	*out = unit;
	return 0;
}

void unit_destroy(struct vector_unit *unit)
{
	if (!unit)
		return;
	if (unit->iommu)
		unit->model->destroy(unit->iommu);
	tables_destroy(unit->tables);
	memory_destroy(unit->memory);
	free(unit->devices);
	free(unit);
}

static int start(void *ctx, const struct named_value *values, size_t n, struct err *err)
{
	struct vector_unit *unit = ctx;

	return unit->model->vectors->start_from(unit->iommu, values, n, err);
}

int unit_start(struct vector_unit *unit, const struct value *config, struct err *err)
{
	return with_config(config, start, unit, err);
}

/* ---- driving it ------------------------------------------------------------------------- */

int unit_store_word(struct vector_unit *unit, pa_t pa, uint64_t value, struct err *err)
{
	if (!memory_exists(unit->memory, pa))
		return err_set(err, ERR_INPUT, "memory: 0x%llx lies at or above ram_limit",
			       (unsigned long long)pa);
	if (memory_frames(unit->memory) >= UNIT_FRAMES_MAX && !memory_frame(unit->memory, pa))
		return err_set(err, ERR_LIMIT, "memory: words in more than %d pages",
			       UNIT_FRAMES_MAX);
	if (tables_store(unit->tables, pa, 1, value, 0, err))
		return -1;
	if (unit->tables->n_changes)
		unit->model->tables_changed(unit->iommu, unit->event, unit->tables->changes,
					    unit->tables->n_changes);
	return 0;
}

int unit_store(struct vector_unit *unit, const struct value *words, struct err *err)
{
	uint64_t pa, value;

	unit->event++;
	for (const struct value *word = words ? words->first : NULL; word; word = word->next)
		if (!text_number(word->key, &pa) || !text_number(word->text, &value) ||
		    unit_store_word(unit, pa, value, err))
			return -1;
	return 0;
}

static int memory_error(struct vector_unit *unit, const struct value *range, struct err *err)
{
	const char *kind = range->kind == VALUE_MAP ? value_text(range, "kind") : "";
	uint64_t addr = 0, size = 0;
	bool good = range->kind == VALUE_MAP && text_number(value_text(range, "addr"), &addr) &&
		    text_number(value_text(range, "size"), &size);

	if (!good || !size || addr + (size - 1) < addr ||
	    range->n != 2u + (value_member(range, "kind") != NULL))
		return err_set(err, ERR_CONFIG,
			       "memory_errors: expected a list of addr, size and kind");
	if (*kind && strcmp(kind, "access") != 0)
		return err_set(err, ERR_CONFIG,
			       "memory_errors: kind '%.40s': memory of this program knows access "
			       "alone",
			       kind);
	return memory_abort(unit->memory, addr, addr + (size - 1), err);
}

int unit_memory_errors(struct vector_unit *unit, const struct value *list, struct err *err)
{
	if (list && list->kind != VALUE_LIST)
		return err_set(err, ERR_CONFIG, "memory_errors: expected a list");
	for (const struct value *range = list ? list->first : NULL; range; range = range->next)
		if (memory_error(unit, range, err))
			return -1;
	return 0;
}

int unit_register(const struct vector_unit *unit, const struct value *reg, uint64_t *offset,
		  unsigned *size, struct err *err)
{
	const struct iommu_vectors *vectors = unit->model->vectors;
	const char *name = value_text(reg, "name");

	*size = 8;
	if (value_member(reg, "offset"))
		*offset = value_number(reg, "offset", 0);
	else if (!*name || !vectors->find_register ||
		 !vectors->find_register(unit->iommu, name, offset, size))
		return err_set(err, ERR_INPUT, "the model has no register '%.60s'", name);
	*size = (unsigned)value_number(reg, "size", *size);
	if ((*size != 4 && *size != 8) || (*offset & (*size - 1)))
		return err_set(err, ERR_INPUT,
			       "a register access of %u bytes at 0x%llx; expected "
			       "4 or 8, aligned",
			       *size, (unsigned long long)*offset);
	return 0;
}

int unit_reg_write(struct vector_unit *unit, const struct value *reg, struct err *err)
{
	uint64_t offset;
	unsigned size;

	if (unit_register(unit, reg, &offset, &size, err))
		return -1;
	if (!unit->model->reg_write(unit->iommu, ++unit->event, offset,
				    value_number(reg, "value", 0), size))
		return err_set(err, ERR_INPUT, "the model has no register at 0x%llx",
			       (unsigned long long)offset);
	return 0;
}

int unit_reg_read(struct vector_unit *unit, const char *name, uint64_t *value)
{
	const struct iommu_vectors *vectors = unit->model->vectors;
	uint64_t offset;
	unsigned size;

	if (!vectors->find_register || !vectors->find_register(unit->iommu, name, &offset, &size) ||
	    !unit->model->reg_read(unit->iommu, offset, size, value))
		return -1;
	return 0;
}

/* ---- requests --------------------------------------------------------------------------- */

int unit_device(struct vector_unit *unit, uint32_t sid, uint32_t *handle, struct err *err)
{
	struct unit_device *devices;

	for (uint32_t i = 0; i < unit->n_devices; i++) {
		if (unit->devices[i].sid != sid)
			continue;
		*handle = unit->devices[i].handle;
		return 0;
	}
	if (unit->n_devices == UNIT_DEVICES_MAX)
		return err_set(err, ERR_LIMIT, "requests from more than %d requesters",
			       UNIT_DEVICES_MAX);
	if (unit->model->add_device(unit->iommu, sid, &unit->device_tlb, handle, err))
		return -1;
	devices = realloc(unit->devices, (unit->n_devices + 1) * sizeof *devices);
	if (!devices)
		return err_no_memory(err, "requesters");
	unit->devices = devices;
	devices[unit->n_devices++] = (struct unit_device){ sid, *handle };
	return 0;
}

static int word_of(const struct value *request, const char *key, int otherwise)
{
	const char *word = value_text(request, key);
	int value;

	return field_word_value(field_find(request_fields, key), word, &value) ? value : otherwise;
}

static int request_of(struct vector_unit *unit, const struct value *map,
		      struct dma_request *request, struct err *err)
{
	*request = (struct dma_request){
		.iova = value_number(map, "iova", 0),
		.len = (uint32_t)value_number(map, "size", 1),
		.pasid = (uint32_t)value_number(map, "pasid", NO_PASID),
		.access = (uint8_t)word_of(map, "access", ACCESS_READ),
		.type = (uint8_t)word_of(map, "type", DMA_UNTRANSLATED),
		.privileged = value_number(map, "priv", 0) != 0,
	};
	if (value_number(map, "exec", 0))
		request->access |= ACCESS_EXECUTE;
	if (request->type == DMA_TRANSLATION_REQUEST && value_member(map, "no_write"))
		request->access = (uint8_t)((request->access & ACCESS_EXECUTE) | ACCESS_READ |
					    (value_number(map, "no_write", 0) ? 0 : ACCESS_WRITE));
	else if (value_number(map, "no_write", 0))
		return err_set(err, ERR_INPUT, "no_write: of translation requests only");
	return unit_device(unit, (uint32_t)value_number(map, "sid", 0), &request->device, err);
}

static void translate(struct vector_unit *unit, struct unit_answer *answer)
{
	const struct iommu_vectors *vectors = unit->model->vectors;

	unit->answer = answer;
	unit->event++;
	unit->model->truth(unit->iommu, &answer->request, &answer->truth);
	unit->model->translate(unit->iommu, unit->event, &answer->request, &answer->result, 1);
	unit->iommu->interrupt = unit->iommu->refused = false;
	if (answer->logged && vectors->fault_record)
		answer->record_words = vectors->fault_record(unit->iommu, answer->record);
	unit->answer = NULL;
	if (answer->request.type == DMA_TRANSLATION_REQUEST &&
	    answer->result.outcome == OUTCOME_OK && answer->result.perm)
		unit_note_atc(unit, answer->request.iova);
}

int unit_request(struct vector_unit *unit, const struct value *request, bool watch,
		 struct unit_answer *answer, struct err *err)
{
	struct memory_image before = { 0 }, after = { 0 };
	int failed;

	*answer = (struct unit_answer){ 0 };
	if (request_of(unit, request, &answer->request, err) ||
	    (watch && image_take(unit->memory, &before, err)))
		return -1;
	translate(unit, answer);
	failed = watch && image_take(unit->memory, &after, err);
	if (!failed)
		image_compare(&before, &after, unit->iommu, answer->changes, ANSWER_CHANGES_MAX,
			      &answer->n_changes);
	image_free(&before);
	image_free(&after);
	return failed ? -1 : 0;
}
