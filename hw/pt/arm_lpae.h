/*
 * Arm VMSAv8-64 translation tables: Arm ARM (DDI 0487) D8.2 to D8.4, as the SMMU reads them (IHI 0070
 * 3.4). Both stages, granules of 4, 16 and 64 KiB.
 *
 * The manual counts levels from 0 at the top of the widest table; here, as in every format, level 0
 * maps the smallest pages: level = 3 - the manual's.
 */
#ifndef IOMMUSIM_HW_PT_ARM_LPAE_H
#define IOMMUSIM_HW_PT_ARM_LPAE_H

#include "hw/pt/pt_walk.h"
#include "hw/tables.h"
#include "hw/tlb.h"

enum { ARM_GRANULES = 3, ARM_LEVELS = 4 };

/* By granule: 4K, 16K, 64K. Pointers and leaves look alike in both stages. */
extern const struct table_role arm_lpae_roles[ARM_GRANULES];

/* What a driver writes, by granule. */
extern const struct pt_format arm_stage1[ARM_GRANULES], arm_stage2[ARM_GRANULES];

/* Descriptor bits. */
enum {
	ARM_AF = 10,
	ARM_NG = 11,
	ARM_NT = 16,
	ARM_DBM = 51,
	ARM_CONTIGUOUS = 52,
	ARM_AP1 = 6, /* stage 1: unprivileged access; stage 2: read */
	ARM_AP2 = 7, /* stage 1: read-only; stage 2: write */
	ARM_PXN = 53,
	ARM_UXN = 54,
	ARM_TABLE_PXN = 59,
	ARM_TABLE_UXN = 60,
	ARM_TABLE_NO_UNPRIV = 61,
	ARM_TABLE_NO_WRITE = 62,
};

static inline unsigned arm_manual_level(unsigned level)
{
	return 3 - level;
}

/* A table format by its granule. */
struct arm_granule {
	uint8_t granule_lg2;
	uint8_t index_bits;
	const struct table_role *role;
};

static inline struct arm_granule arm_granule(unsigned granule_lg2)
{
	return (struct arm_granule){ (uint8_t)granule_lg2, (uint8_t)(granule_lg2 - 3),
				     &arm_lpae_roles[(granule_lg2 - 12) / 2] };
}

/* Input that an entry of that level covers, log2. */
static inline unsigned arm_span_lg2(unsigned granule_lg2, unsigned level)
{
	return granule_lg2 + (granule_lg2 - 3) * level;
}

/* Address bits 51:48 of a 64 KiB granule's descriptor, where the machine has them. */
static inline uint64_t arm_address(uint64_t raw, unsigned low, unsigned granule_lg2, bool wide)
{
	uint64_t address = bits_at(raw, 47, low);

	if (wide && granule_lg2 == 16)
		address |= bits(raw, 15, 12) << 48;
	return address;
}

/*
 * One descriptor: kind, address, page size. wide: 52-bit addresses. Blocks where the granule has
 * none and the encoding that level 3 reserves are invalid, that is absent.
 */
static inline struct pt_entry arm_lpae_decode(uint64_t raw, unsigned level, unsigned granule_lg2,
					      bool wide)
{
	unsigned span = arm_span_lg2(granule_lg2, level);
	bool block =
		level == 1 || (level == 2 && (granule_lg2 == 12 || (wide && granule_lg2 == 16)));

	if (!bit(raw, 0) || (level == 0 && !bit(raw, 1)) || (level > 0 && !bit(raw, 1) && !block))
		return (struct pt_entry){ .kind = PT_ABSENT };
	if (level > 0 && bit(raw, 1))
		return (struct pt_entry){ .kind = PT_TABLE,
					  .perm = TLB_PERM,
					  .level = (uint8_t)(level - 1),
					  .addr = arm_address(raw, granule_lg2, granule_lg2,
							      wide) };
	return (struct pt_entry){ .kind = PT_LEAF,
				  .page_lg2 = (uint8_t)span,
				  .addr = arm_address(raw, span, granule_lg2, wide) };
}

/* Entries of a contiguous set, log2; 0: the level has none (D8.7.1). */
unsigned arm_contiguous_lg2(unsigned granule_lg2, unsigned level);

/* Level of the table where a stage-1 walk of that many input bits begins (D8.2). */
unsigned arm_start_level(unsigned granule_lg2, unsigned input_bits);

#endif
