/*
 * Intel VT-d first-stage tables, the layout of x86-64 with 4 or 5 levels: specification 3.6 and
 * 9.7. The manual counts levels from 1. Global pages are not kept apart: no invalidation of the
 * manual preserves them.
 */
#ifndef IOMMUSIM_HW_PT_VTD_FS_H
#define IOMMUSIM_HW_PT_VTD_FS_H

#include "hw/pt/pt_walk.h"
#include "hw/tables.h"
#include "hw/tlb.h"

extern const struct pt_format vtd_fs;
extern const struct table_role vtd_fs_role;

enum {
	VTD_FS_WRITE = 1,
	VTD_FS_USER = 2,
	VTD_FS_ACCESSED = 5,
	VTD_FS_DIRTY = 6,
	VTD_FS_PS = 7,
	VTD_FS_EXTENDED = 10,
	VTD_FS_XD = 63,
};

/* A present entry can be read; what XD means depends on NXE, which a root's reserved bits say. */
static inline struct pt_entry vtd_fs_decode(uint64_t raw, unsigned level)
{
	unsigned page_lg2 = 12 + 9 * level;
	unsigned perm = TLB_READ | (bit(raw, VTD_FS_WRITE) ? (unsigned)TLB_WRITE : 0) |
			(bit(raw, VTD_FS_XD) ? 0 : (unsigned)TLB_EXECUTE) |
			(bit(raw, VTD_FS_USER) ? (unsigned)TLB_USER : 0);

	if (!bit(raw, 0))
		return (struct pt_entry){ .kind = PT_ABSENT };
	if (level > 0 && !bit(raw, VTD_FS_PS))
		return (struct pt_entry){ .kind = PT_TABLE,
					  .perm = (uint8_t)perm,
					  .level = (uint8_t)(level - 1),
					  .addr = bits_at(raw, 51, 12) };
	if (level > 2)
		return (struct pt_entry){ .kind = PT_MALFORMED };
	return (struct pt_entry){ .kind = PT_LEAF,
				  .perm = (uint8_t)perm,
				  .page_lg2 = (uint8_t)page_lg2,
				  .addr = bits_at(raw, 51, page_lg2) };
}

/*
 * Bits that must be 0: address bits at and above haw_bits up to 51 and inside a superpage, PS
 * where there is no such page, XD without no_execute. Bit 12 of a superpage is PAT.
 */
void vtd_fs_reserved(unsigned haw_bits, bool pages_1g, bool no_execute,
		     uint64_t reserved[2][PT_LEVELS]);

#endif
