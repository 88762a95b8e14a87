#include "hw/pt/vtd_fs.h"

#include <string.h>

enum { STATE = 1 << VTD_FS_ACCESSED | 1 << VTD_FS_DIRTY | 1 << VTD_FS_EXTENDED };

/* As Linux writes them: user pages, already accessed and dirty. */
static uint64_t leaf(pa_t pa, unsigned perm, unsigned level)
{
	return pa | 1 | (perm & TLB_WRITE ? 1u << VTD_FS_WRITE : 0) | 1u << VTD_FS_USER |
	       1u << VTD_FS_ACCESSED | (perm & TLB_WRITE ? 1u << VTD_FS_DIRTY : 0) |
	       (level ? 1u << VTD_FS_PS : 0);
}

static uint64_t table(pa_t pa)
{
	return pa | 1 | 1u << VTD_FS_WRITE | 1u << VTD_FS_USER | 1u << VTD_FS_ACCESSED;
}

const struct table_role vtd_fs_role = {
	.name = "vtd first stage",
	.unit_lg2 = 12,
	.index_bits = 9,
	/* ignored: PWT [3], PCD [4], G [8], [9], [11], [62:52] */
	.meaning = 0x800ffffffffff087ull,
	.state = STATE,
	.leaf_any = 1,
	.decode = vtd_fs_decode,
};

const struct pt_format vtd_fs = {
	.name = "vtd-fs",
	.granule_lg2 = 12,
	.index_bits = 9,
	.decode = vtd_fs_decode,
	.leaf = leaf,
	.table = table,
	.role = &vtd_fs_role,
	.dirty = 1ull << VTD_FS_DIRTY,
};

void vtd_fs_reserved(unsigned haw_bits, bool pages_1g, bool no_execute,
		     uint64_t reserved[2][PT_LEVELS])
{
	uint64_t always = low_mask(52) & ~low_mask(haw_bits);

	memset(reserved, 0, 2 * sizeof reserved[0]);
	always |= no_execute ? 0 : 1ull << VTD_FS_XD;
	for (unsigned level = 0; level < PT_LEVELS; level++) {
		reserved[0][level] = reserved[1][level] = always;
		if (level > 0)
			reserved[1][level] |= low_mask(12 + 9 * level) & ~low_mask(13);
	}
	if (!pages_1g)
		reserved[1][2] |= 1ull << VTD_FS_PS;
}
