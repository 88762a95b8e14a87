#include "hw/pt/vtd_ss.h"

#include <string.h>

#include "hw/tlb.h"

enum { SS_SNP = 11, SS_PS = 7, SS_TM = 62 };

/* There is no present bit: an entry with neither R nor W is absent. */
static inline struct pt_entry decode(uint64_t raw, unsigned level)
{
	unsigned perm = (unsigned)bits(raw, 1, 0);
	unsigned page_lg2 = 12 + 9 * level;

	if (perm == 0)
		return (struct pt_entry){ .kind = PT_ABSENT };
	if (level > 0 && !bit(raw, SS_PS))
		return (struct pt_entry){ .kind = PT_TABLE,
					  .perm = (uint8_t)perm,
					  .level = (uint8_t)(level - 1),
					  .addr = bits_at(raw, 51, 12) };
	if (level > 2)
		return (struct pt_entry){ .kind = PT_MALFORMED };
	return (struct pt_entry){ .kind = PT_LEAF,
				  .perm = (uint8_t)perm,
				  .page_lg2 = (uint8_t)page_lg2,
				  .flags = bit(raw, SS_SNP) ? TLB_SNOOP : 0,
				  .addr = bits_at(raw, 51, page_lg2) };
}

static uint64_t leaf(pa_t pa, unsigned perm, unsigned level)
{
	return pa | (perm & 3) | (level ? 1ull << SS_PS : 0);
}

static uint64_t table(pa_t pa)
{
	return pa | TLB_READ | TLB_WRITE;
}

static struct entry_view view(const uint64_t *words, unsigned level)
{
	struct pt_entry entry = decode(words[0], level);

	if (entry.kind == PT_TABLE)
		return (struct entry_view){ ENTRY_TABLE, entry.addr, &vtd_ss_role, entry.level };
	return (struct entry_view){ .kind = entry.kind == PT_ABSENT ? ENTRY_ABSENT : ENTRY_LEAF };
}

const struct table_role vtd_ss_role = {
	.name = "vtd second stage",
	.unit_lg2 = 12,
	.index_bits = 9,
	/* ignored: X [2], EMT [5:3], IPAT [6], A and D [9:8], [10], [61:52], [63] */
	.meaning = 0x400ffffffffff883ull,
	.view = view,
};

const struct pt_format vtd_ss = {
	.name = "vtd-ss",
	.granule_lg2 = 12,
	.index_bits = 9,
	.decode = decode,
	.leaf = leaf,
	.table = table,
	.role = &vtd_ss_role,
};

void vtd_ss_walk(const struct memory *memory, const struct pt_root *root, iova_t iova,
		 struct pt_walk *walk)
{
	pt_walk(&vtd_ss, memory, root, iova, walk);
}

void vtd_ss_reserved(unsigned haw_bits, bool snoop_control, bool pages_2m, bool pages_1g,
		     uint64_t reserved[2][PT_LEVELS])
{
	uint64_t always = low_mask(52) & ~low_mask(haw_bits);

	memset(reserved, 0, 2 * sizeof reserved[0]);
	always |= 1ull << SS_TM;
	for (unsigned level = 0; level < PT_LEVELS; level++) {
		bool size = level == 0 || (level == 1 && pages_2m) || (level == 2 && pages_1g);

		reserved[0][level] = always | 1ull << SS_SNP;
		reserved[1][level] = always | (snoop_control ? 0 : 1ull << SS_SNP);
		reserved[1][level] |= low_mask(12 + 9 * level) & ~low_mask(12);
		if (!size)
			reserved[1][level] |= 1ull << SS_PS;
	}
}
