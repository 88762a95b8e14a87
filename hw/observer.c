#include "hw/observer.h"

static void used(void *self, const struct checked_use *use)
{
	(void)self;
	(void)use;
}

static void copy_opens(void *self, const struct doubted_copy *copy)
{
	(void)self;
	(void)copy;
}

static void copy_closes(void *self, uint64_t name)
{
	(void)self;
	(void)name;
}

static void overlap(void *self, uint64_t event, const struct dma_request *request,
		    const struct cached_copy *filled, const struct cached_copy *valid)
{
	(void)self;
	(void)event;
	(void)request;
	(void)filled;
	(void)valid;
}

static void fault(void *self, const struct fault_report *report)
{
	(void)self;
	(void)report;
}

static void entry_read(void *self, const struct entry_read *read)
{
	(void)self;
	(void)read;
}

static void run_inconsistent(void *self, const struct run_report *report)
{
	(void)self;
	(void)report;
}

static void tag_reused(void *self, uint64_t event, uint32_t device, uint64_t tag,
		       uint32_t old_space, uint32_t space, uint64_t copies)
{
	(void)self;
	(void)event;
	(void)device;
	(void)tag;
	(void)old_space;
	(void)space;
	(void)copies;
}

static void faults_acknowledged(void *self, bool overflow)
{
	(void)self;
	(void)overflow;
}

static void page_requested(void *self, const struct page_report *report)
{
	(void)self;
	(void)report;
}

static void pages_acknowledged(void *self)
{
	(void)self;
}

const struct iommu_observer iommu_observer_silent = { .used = used,
						      .copy_opens = copy_opens,
						      .copy_closes = copy_closes,
						      .overlap = overlap,
						      .fault = fault,
						      .entry_read = entry_read,
						      .run_inconsistent = run_inconsistent,
						      .tag_reused = tag_reused,
						      .faults_acknowledged = faults_acknowledged,
						      .page_requested = page_requested,
						      .pages_acknowledged = pages_acknowledged };
