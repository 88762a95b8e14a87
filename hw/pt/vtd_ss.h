/* Intel VT-d second-stage tables: specification 3.7 and 9.8. The manual counts levels from 1. */
#ifndef IOMMUSIM_HW_PT_VTD_SS_H
#define IOMMUSIM_HW_PT_VTD_SS_H

#include "hw/pt/pt_walk.h"
#include "hw/tables.h"

extern const struct pt_format vtd_ss;
extern const struct table_role vtd_ss_role;

void vtd_ss_walk(const struct memory *memory, const struct pt_root *root, iova_t iova,
		 struct pt_walk *walk);

/*
 * Bits that a machine requires to be 0: address bits at and above haw_bits up to 51, bit 62,
 * SNP in leaves without snoop control and in table pointers always, address bits inside a
 * superpage, PS where the size is not supported.
 */
void vtd_ss_reserved(unsigned haw_bits, bool snoop_control, bool pages_2m, bool pages_1g,
		     uint64_t reserved[2][PT_LEVELS]);

#endif
