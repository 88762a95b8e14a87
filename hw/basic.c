#include "hw/basic.h"

#include <stdlib.h>
#include <string.h>

#include "hw/by_page.h"

/* ---- what there is not ------------------------------------------------------------------------- */

bool iommu_no_reg_write(struct iommu *iommu, uint64_t event, uint64_t offset, uint64_t value,
			unsigned size)
{
	(void)iommu;
	(void)event;
	(void)offset;
	(void)value;
	(void)size;
	return false;
}

bool iommu_no_reg_read(struct iommu *iommu, uint64_t offset, unsigned size, uint64_t *value)
{
	(void)iommu;
	(void)offset;
	(void)size;
	(void)value;
	return false;
}

void iommu_no_fault_queue(struct iommu *iommu, uint64_t event)
{
	(void)iommu;
	(void)event;
}

void iommu_no_marks(struct iommu *iommu, uint64_t event, const struct table_change *changes,
		    uint32_t n)
{
	(void)iommu;
	(void)event;
	(void)changes;
	(void)n;
}

bool iommu_no_encode(const struct iommu *iommu, const struct invalidation *what,
		     struct native_command *command, struct invalidation *covers)
{
	(void)iommu;
	(void)covers;
	*command = (struct native_command){ .words = { what->what } };
	return false;
}

bool iommu_no_decode(const struct iommu *iommu, const struct native_command *command,
		     struct invalidation *what)
{
	(void)iommu;
	(void)command;
	(void)what;
	return false;
}

int iommu_no_execute(struct iommu *iommu, uint64_t event, const struct native_command *command,
		     struct inval_report *report, struct err *err)
{
	(void)iommu;
	(void)event;
	(void)command;
	(void)err;
	*report = (struct inval_report){ 0 };
	return 0;
}

const char *iommu_no_counter(const struct iommu *iommu, unsigned index, uint64_t *value)
{
	(void)iommu;
	(void)index;
	(void)value;
	return NULL;
}

void iommu_no_copies(const struct iommu *iommu,
		     void (*visit)(void *ctx, const struct cached_copy *copy), void *ctx)
{
	(void)iommu;
	(void)visit;
	(void)ctx;
}

const char *basic_structure_name(enum structure structure, unsigned level)
{
	(void)structure;
	(void)level;
	return "none";
}

bool basic_snoops(const struct iommu *iommu)
{
	(void)iommu;
	return true;
}

const struct setting basic_no_settings[] = { { 0 } };

/* ---- life ---------------------------------------------------------------------------------------- */

void basic_destroy(struct iommu *iommu)
{
	struct basic *basic = basic_of(iommu);

	if (!basic)
		return;
	free(basic->requesters);
	free(basic);
}

int basic_create(const struct iommu_model *model, const void *config, struct tables *tables,
		 const struct iommu_observer *observer, struct iommu **out, struct err *err)
{
	struct basic *basic = calloc(1, sizeof *basic + model->config_size);

	if (!basic)
		return err_no_memory(err, model->name);
	basic->iommu.model = model;
	basic->tables = tables;
	basic->memory = tables->memory;
	basic->observer = observer;
	if (model->config_size)
		memcpy(basic->config, config, model->config_size);
	*out = &basic->iommu;
	return 0;
}

int basic_add_device(struct iommu *iommu, uint32_t requester_id, const struct device_tlb *tlb,
		     uint32_t *handle, struct err *err)
{
	struct basic *basic = basic_of(iommu);
	uint32_t *requesters =
		realloc(basic->requesters, (basic->n_requesters + 1) * sizeof *basic->requesters);

	(void)tlb;
	if (!requesters)
		return err_no_memory(err, "devices");
	basic->requesters = requesters;
	requesters[basic->n_requesters] = requester_id;
	*handle = basic->n_requesters++;
	return 0;
}

int basic_start(struct iommu *iommu, pa_t root)
{
	basic_of(iommu)->root = root;
	return tables_root(basic_of(iommu)->tables, root, iommu->model->basic->role,
			   iommu->model->basic->role_level, NULL)
		       ? 0
		       : -1;
}

/* ---- requests ------------------------------------------------------------------------------------ */

static void serve_page(void *ctx, const struct dma_request *page, struct dma_result *result)
{
	struct iommu *iommu = ctx;
	struct fault_report report = {
		.event = iommu->event, .request = page, .fate = FAULT_SILENT, .holder = NO_DEVICE
	};

	iommu->model->truth(iommu, page, result);
	if (result->outcome != OUTCOME_FAULT)
		return;
	report.code = result->fault;
	basic_of(iommu)->observer->fault(basic_of(iommu)->observer->self, &report);
}

size_t basic_translate(struct iommu *iommu, uint64_t first_event,
		       const struct dma_request *requests, struct dma_result *results, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		iommu->event = first_event + i;
		by_page(&requests[i], &results[i], serve_page, iommu);
		iommu->refused |= results[i].outcome != OUTCOME_OK;
	}
	return n;
}

bool basic_granted(const struct dma_request *request, const struct pt_walk *walk,
		   struct dma_result *result)
{
	if (walk->status != PT_OK || (request->access & ~walk->perm))
		return false;
	*result = (struct dma_result){ .pa = walk->pa | (request->iova & page_mask(walk->page_lg2)),
				       .perm = walk->perm & TLB_PERM,
				       .page_lg2 = walk->page_lg2 };
	return true;
}

void basic_refuse(uint16_t fault, struct dma_result *result)
{
	*result = (struct dma_result){
		.pa = NO_PA, .outcome = OUTCOME_FAULT, .sees = SEES_ABORT, .fault = fault
	};
}

/* ---- numbers ------------------------------------------------------------------------------------- */

const struct pt_format *basic_format(const struct iommu *iommu)
{
	return iommu->model->basic->format;
}

unsigned basic_levels(const struct iommu *iommu)
{
	return iommu->model->basic->levels;
}

unsigned basic_address_bits(const struct iommu *iommu, unsigned levels)
{
	(void)levels;
	return iommu->model->basic->address_bits;
}

unsigned basic_pa_bits(const struct iommu *iommu)
{
	return iommu->model->basic->pa_bits;
}

bool basic_page_supported(const struct iommu *iommu, unsigned level)
{
	return level <= iommu->model->basic->largest_leaf;
}

uint64_t basic_tags(const struct iommu *iommu)
{
	return iommu->model->basic->tags;
}

enum domain_tag basic_tag_kind(const struct iommu *iommu)
{
	return iommu->model->basic->tag_kind;
}

uint64_t basic_config_bytes(const struct iommu *iommu)
{
	return iommu->model->basic->config_bytes;
}
