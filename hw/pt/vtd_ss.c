#include "hw/pt/vtd_ss.h"

#include <string.h>

static uint64_t leaf(pa_t pa, unsigned perm, unsigned level)
{
	return pa | (perm & 3) | (level ? 1ull << VTD_SS_PS : 0);
}

static uint64_t table(pa_t pa)
{
	return pa | TLB_READ | TLB_WRITE;
}

const struct table_role vtd_ss_role = {
	.name = "vtd second stage",
	.unit_lg2 = 12,
	.index_bits = 9,
	/* ignored: X [2], EMT [5:3], IPAT [6], A and D [9:8], [10], [61:52], [63] */
	.meaning = 0x400ffffffffff883ull,
	.state = 1 << VTD_SS_ACCESSED | 1 << VTD_SS_DIRTY,
	.leaf_any = TLB_READ | TLB_WRITE,
	.decode = vtd_ss_decode,
};

const struct pt_format vtd_ss = {
	.name = "vtd-ss",
	.granule_lg2 = 12,
	.index_bits = 9,
	.decode = vtd_ss_decode,
	.leaf = leaf,
	.table = table,
	.role = &vtd_ss_role,
	.dirty = 1ull << VTD_SS_DIRTY,
};

void vtd_ss_reserved(unsigned haw_bits, bool snoop_control, bool pages_2m, bool pages_1g,
		     uint64_t reserved[2][PT_LEVELS])
{
	uint64_t always = low_mask(52) & ~low_mask(haw_bits);

	memset(reserved, 0, 2 * sizeof reserved[0]);
	always |= 1ull << VTD_SS_TM;
	for (unsigned level = 0; level < PT_LEVELS; level++) {
		bool size = level == 0 || (level == 1 && pages_2m) || (level == 2 && pages_1g);

		reserved[0][level] = always | 1ull << VTD_SS_SNP;
		reserved[1][level] = always | (snoop_control ? 0 : 1ull << VTD_SS_SNP);
		reserved[1][level] |= low_mask(12 + 9 * level) & ~low_mask(12);
		if (!size)
			reserved[1][level] |= 1ull << VTD_SS_PS;
	}
}
