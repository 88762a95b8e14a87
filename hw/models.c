#include <string.h>

#include "hw/basic.h"

/* Adding a model NAME, whose constant is NAME_model: one word here, one folder under hw/, scenarios. */
#define MODELS(MODEL) MODEL(vtd) MODEL(smmuv3)

#define DECLARE(name) extern const struct iommu_model name##_model;
#define ADDRESS(name) &name##_model,

MODELS(DECLARE)

const struct iommu_model *const iommu_models[] = { MODELS(ADDRESS) NULL };

const struct iommu_model *iommu_model_find(const char *name)
{
	for (size_t i = 0; iommu_models[i]; i++)
		if (!strcmp(iommu_models[i]->name, name))
			return iommu_models[i];
	return NULL;
}

int iommu_create(const struct iommu_model *model, const void *config, uint64_t seed,
		 struct tables *tables, const struct iommu_observer *observer, struct iommu **out,
		 struct err *err)
{
	if (!model->create)
		return basic_create(model, config, tables, observer, out, err);
	return model->create(config, seed, tables, observer, out, err);
}

static const struct fault_row *fault_of(const struct iommu_model *model, uint16_t code)
{
	for (const struct fault_row *row = model->faults; row->name; row++)
		if (row->code == code)
			return row;
	return NULL;
}

const char *iommu_fault_name(const struct iommu_model *model, uint16_t code)
{
	const struct fault_row *row;

	if (!model->faults)
		return model->fault_name(code);
	row = fault_of(model, code);
	return row ? row->name : NULL;
}

bool iommu_fault_is_missing(const struct iommu_model *model, uint16_t code)
{
	const struct fault_row *row;

	if (!model->faults)
		return model->fault_is_missing(code);
	row = fault_of(model, code);
	return row && row->missing;
}
