/* Intel VT-d second-stage tables: specification 3.7 and 9.8. The manual counts levels from 1. */
#ifndef IOMMUSIM_HW_PT_VTD_SS_H
#define IOMMUSIM_HW_PT_VTD_SS_H

#include "hw/pt/pt_walk.h"
#include "hw/tables.h"
#include "hw/tlb.h"

extern const struct pt_format vtd_ss;
extern const struct table_role vtd_ss_role;

enum { VTD_SS_PS = 7, VTD_SS_ACCESSED = 8, VTD_SS_DIRTY = 9, VTD_SS_SNP = 11, VTD_SS_TM = 62 };

/* There is no present bit: an entry with neither R nor W is absent. */
static inline struct pt_entry vtd_ss_decode(uint64_t raw, unsigned level)
{
	unsigned perm = (unsigned)bits(raw, 1, 0);
	unsigned page_lg2 = 12 + 9 * level;

	if (perm == 0)
		return (struct pt_entry){ .kind = PT_ABSENT };
	if (level > 0 && !bit(raw, VTD_SS_PS))
		return (struct pt_entry){ .kind = PT_TABLE,
					  .perm = (uint8_t)perm,
					  .level = (uint8_t)(level - 1),
					  .addr = bits_at(raw, 51, 12) };
	if (level > 2)
		return (struct pt_entry){ .kind = PT_MALFORMED };
	return (struct pt_entry){ .kind = PT_LEAF,
				  .perm = (uint8_t)perm,
				  .page_lg2 = (uint8_t)page_lg2,
				  .flags = bit(raw, VTD_SS_SNP) ? TLB_SNOOP : 0,
				  .addr = bits_at(raw, 51, page_lg2) };
}

static inline __attribute__((always_inline)) void vtd_ss_walk(const struct memory *memory,
							      const struct pt_root *root,
							      iova_t iova, struct pt_walk *walk)
{
	/* as constants, so that the loop is made for this format */
	const struct pt_format format = { .granule_lg2 = 12,
					  .index_bits = 9,
					  .decode = vtd_ss_decode };

	pt_walk(&format, memory, root, iova, walk);
}

/*
 * Bits that a machine requires to be 0: address bits at and above haw_bits up to 51, bit 62,
 * SNP in leaves without snoop control and in table pointers always, address bits inside a
 * superpage, PS where the size is not supported.
 */
void vtd_ss_reserved(unsigned haw_bits, bool snoop_control, bool pages_2m, bool pages_1g,
		     uint64_t reserved[2][PT_LEVELS]);

#endif
