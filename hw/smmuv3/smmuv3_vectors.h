/* The parts of struct iommu_vectors among themselves. */
#ifndef IOMMUSIM_HW_SMMUV3_SMMUV3_VECTORS_H
#define IOMMUSIM_HW_SMMUV3_SMMUV3_VECTORS_H

#include "hw/smmuv3/smmuv3_private.h"

/* A field of a register that software writes or reads. */
struct smmu_register_field {
	const char *reg, *name;
	uint8_t low, width;
};
/* "RECINVSID", "CR2.RECINVSID"; NULL: no such field. */
const struct smmu_register_field *smmu_register_field(const char *name);

/* smmuv3_vectors_encode.c, _act.c, _field.c; contracts in struct iommu_vectors */
int smmu_vector_encode(const struct iommu *iommu, const char *text, struct native_command *command,
		       struct err *err);
int smmu_vector_act(struct iommu *iommu, const char *action, const struct named_value *values,
		    size_t n, char answer[VECTOR_ANSWER_MAX], struct err *err);
bool smmu_vector_field(const struct iommu *iommu, const char *name,
		       const struct named_value *beside, size_t n, struct told *told);

#endif
