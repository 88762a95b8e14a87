#include <string.h>

#include "hw/iommu.h"
#include "hw/smmuv3/smmuv3.h"
#include "hw/vtd/vtd.h"

/* Adding a model: one line here, one folder under hw/, scenarios under tests/. */
const struct iommu_model *const iommu_models[] = { &vtd_model, &smmuv3_model, NULL };

const struct iommu_model *iommu_model_find(const char *name)
{
	for (size_t i = 0; iommu_models[i]; i++)
		if (!strcmp(iommu_models[i]->name, name))
			return iommu_models[i];
	return NULL;
}
