/* What a model does not have (yet); declared in hw/iommu.h. */
#include "hw/iommu.h"

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

void iommu_no_encode(const struct iommu *iommu, const struct invalidation *what,
		     struct native_command *command)
{
	(void)iommu;
	*command = (struct native_command){ .words = { what->what } };
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
