/*
 * What descriptors allow, as bits of a copy's data word: DDI 0487 D8.4, IHI 0070 3.13. Pure; inline for
 * the walks and for the loop that every request takes.
 */
#ifndef IOMMUSIM_HW_SMMUV3_SMMUV3_PERM_H
#define IOMMUSIM_HW_SMMUV3_SMMUV3_PERM_H

#include "hw/smmuv3/smmuv3_private.h"

/* What a table descriptor leaves of the permissions below it (hierarchical attributes). */
static inline uint64_t smmu_table_perm(const struct smmu_context *context,
				       const struct smmu_half *half, uint64_t raw)
{
	uint64_t gone = 0;

	if (half->had)
		return UINT64_MAX;
	if (bit(raw, ARM_TABLE_NO_WRITE))
		gone |= TLB_WRITE | TLB_WRITE << PRIVILEGED_SHIFT;
	if (context->ste.world == WORLD_EL2) /* one privilege level: no APTable[0], one XN */
		return ~(bit(raw, ARM_TABLE_UXN)
				 ? gone | TLB_EXECUTE | TLB_EXECUTE << PRIVILEGED_SHIFT
				 : gone);
	if (bit(raw, ARM_TABLE_NO_UNPRIV))
		gone |= TLB_READ | TLB_WRITE;
	if (bit(raw, ARM_TABLE_UXN))
		gone |= TLB_EXECUTE;
	if (bit(raw, ARM_TABLE_PXN))
		gone |= TLB_EXECUTE << PRIVILEGED_SHIFT;
	return ~gone;
}

/* Who may execute: never the privileged where the unprivileged may write; WXN. */
static inline uint64_t smmu_stage1_executable(const struct smmu_context *context, uint64_t raw,
					      bool el2, uint64_t writes)
{
	uint64_t perm = 0;

	if (!bit(raw, ARM_UXN))
		perm |= el2 ? TLB_EXECUTE | TLB_EXECUTE << PRIVILEGED_SHIFT : TLB_EXECUTE;
	if (!el2 && !bit(raw, ARM_PXN) && !(writes & TLB_WRITE))
		perm |= TLB_EXECUTE << PRIVILEGED_SHIFT;
	if (context->wxn && (writes & TLB_WRITE))
		perm &= ~(uint64_t)TLB_EXECUTE;
	if (context->wxn && (writes & TLB_WRITE << PRIVILEGED_SHIFT))
		perm &= ~((uint64_t)TLB_EXECUTE << PRIVILEGED_SHIFT);
	return perm;
}

/* Attributes of a copy of this leaf; above: what the tables on the way leave (1.6). */
static inline uint64_t smmu_leaf_perm(const struct smmu_context *context, uint64_t raw,
				      uint64_t above)
{
	bool el2 = context->ste.world == WORLD_EL2;
	bool open = el2 || (bit(raw, ARM_AP1) && (above & TLB_READ));
	bool clean = bit(raw, ARM_AP2) && context->hd && bit(raw, ARM_DBM);
	bool write = (!bit(raw, ARM_AP2) || clean) && (above & TLB_WRITE << PRIVILEGED_SHIFT);
	uint64_t reads = TLB_READ << PRIVILEGED_SHIFT | (open ? TLB_READ : 0);
	uint64_t writes = write ? TLB_WRITE << PRIVILEGED_SHIFT | (open ? TLB_WRITE : 0) : 0;
	uint64_t perm = smmu_stage1_executable(context, raw, el2, writes) & above;

	if (context->pan && open && !el2) /* no privileged data access to unprivileged pages */
		reads &= ~((uint64_t)TLB_READ << PRIVILEGED_SHIFT),
			writes &= ~((uint64_t)TLB_WRITE << PRIVILEGED_SHIFT);
	if (clean)
		writes = (writes & TLB_WRITE ? 1ull << CLEAN_SHIFT : 0) |
			 (writes & TLB_WRITE << PRIVILEGED_SHIFT ? 2ull << CLEAN_SHIFT : 0);
	return perm | reads | writes;
}

/* Who may execute, as bits of a data word (1.6). */
static inline uint64_t smmu_stage2_executable(const struct smmu *smmu, uint64_t raw)
{
	const uint64_t unprivileged = TLB_EXECUTE, privileged = TLB_EXECUTE << PRIVILEGED_SHIFT;
	unsigned xn = (unsigned)bits(raw, 54, 53);

	if (!smmu->config.xnx)
		return xn & 2 ? 0 : unprivileged | privileged;
	return (xn == 0 || xn == 1 ? unprivileged : 0) | (xn == 0 || xn == 3 ? privileged : 0);
}

static inline uint64_t smmu_stage2_perm(const struct smmu *smmu, const struct smmu_ste *ste,
					uint64_t raw)
{
	uint64_t perm = smmu_stage2_executable(smmu, raw);

	if (bit(raw, ARM_AP1))
		perm |= TLB_READ | TLB_READ << PRIVILEGED_SHIFT;
	if (bit(raw, ARM_AP2))
		perm |= TLB_WRITE | TLB_WRITE << PRIVILEGED_SHIFT;
	else if (ste->s2hd && bit(raw, ARM_DBM))
		perm |= COPY_CLEAN;
	return perm;
}

#endif
