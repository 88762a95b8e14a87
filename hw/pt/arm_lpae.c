#include "hw/pt/arm_lpae.h"

enum { MAIR_NORMAL = 1 << 2, SH_INNER = 3 << 8, S2_NORMAL = 0xf << 2 };

unsigned arm_contiguous_lg2(unsigned granule_lg2, unsigned level)
{
	static const uint8_t lg2[ARM_GRANULES][ARM_LEVELS] = { { 4, 4, 4, 0 },
							       { 7, 5, 0, 0 },
							       { 5, 5, 0, 0 } };

	return lg2[(granule_lg2 - 12) / 2][level];
}

unsigned arm_start_level(unsigned granule_lg2, unsigned input_bits)
{
	return (input_bits - granule_lg2 - 1) / (granule_lg2 - 3);
}

static uint64_t table(pa_t pa)
{
	return pa | 3;
}

/* Stage 1 as Linux writes it: AP[1] for the device, never global, AF set, executable only if asked. */
static uint64_t stage1_leaf(pa_t pa, unsigned perm, unsigned level)
{
	uint64_t raw =
		pa | (level ? 1 : 3) | MAIR_NORMAL | SH_INNER | 1ull << ARM_AF | 1ull << ARM_NG;

	if (perm & (TLB_READ | TLB_WRITE))
		raw |= 1ull << ARM_AP1;
	if (!(perm & TLB_WRITE))
		raw |= 1ull << ARM_AP2;
	if (!(perm & TLB_EXECUTE))
		raw |= 1ull << ARM_UXN | 1ull << ARM_PXN;
	return raw;
}

static struct pt_entry stage1_meaning(uint64_t raw, struct pt_entry entry)
{
	if (entry.kind != PT_LEAF)
		return entry;
	if (bit(raw, ARM_AP1))
		entry.perm = bit(raw, ARM_AP2) ? TLB_READ : TLB_READ | TLB_WRITE;
	if (!bit(raw, ARM_UXN))
		entry.perm |= TLB_EXECUTE;
	return entry;
}

static struct pt_entry stage1_decode_4k(uint64_t raw, unsigned level)
{
	return stage1_meaning(raw, arm_lpae_decode(raw, level, 12, false));
}

static struct pt_entry stage1_decode_16k(uint64_t raw, unsigned level)
{
	return stage1_meaning(raw, arm_lpae_decode(raw, level, 14, false));
}

static struct pt_entry stage1_decode_64k(uint64_t raw, unsigned level)
{
	return stage1_meaning(raw, arm_lpae_decode(raw, level, 16, false));
}

static uint64_t stage2_leaf(pa_t pa, unsigned perm, unsigned level)
{
	uint64_t raw = pa | (level ? 1 : 3) | S2_NORMAL | SH_INNER | 1ull << ARM_AF;

	if (perm & TLB_READ)
		raw |= 1ull << ARM_AP1;
	if (perm & TLB_WRITE)
		raw |= 1ull << ARM_AP2;
	if (!(perm & TLB_EXECUTE))
		raw |= 1ull << ARM_UXN;
	return raw;
}

static struct pt_entry stage2_meaning(uint64_t raw, struct pt_entry entry)
{
	if (entry.kind == PT_LEAF)
		entry.perm = (uint8_t)((bit(raw, ARM_AP1) ? TLB_READ : 0) |
				       (bit(raw, ARM_AP2) ? TLB_WRITE : 0) |
				       (bit(raw, ARM_UXN) ? 0 : TLB_EXECUTE));
	return entry;
}

static struct pt_entry stage2_decode_4k(uint64_t raw, unsigned level)
{
	return stage2_meaning(raw, arm_lpae_decode(raw, level, 12, false));
}

static struct pt_entry stage2_decode_16k(uint64_t raw, unsigned level)
{
	return stage2_meaning(raw, arm_lpae_decode(raw, level, 14, false));
}

static struct pt_entry stage2_decode_64k(uint64_t raw, unsigned level)
{
	return stage2_meaning(raw, arm_lpae_decode(raw, level, 16, false));
}

/* Bits [58:55] are software's. AF stays: without hardware update it decides on a fault. Tables are the same in both
 * stages. */
#define MEANING 0xf87fffffffffffffull

const struct table_role arm_lpae_roles[ARM_GRANULES] = {
	{ .name = "arm 4K",
	  .unit_lg2 = 12,
	  .index_bits = 9,
	  .meaning = MEANING,
	  .leaf_all = 3,
	  .decode = stage1_decode_4k },
	{ .name = "arm 16K",
	  .unit_lg2 = 14,
	  .index_bits = 11,
	  .frames_lg2 = 2,
	  .meaning = MEANING,
	  .leaf_all = 3,
	  .decode = stage1_decode_16k },
	{ .name = "arm 64K",
	  .unit_lg2 = 16,
	  .index_bits = 13,
	  .frames_lg2 = 4,
	  .meaning = MEANING,
	  .leaf_all = 3,
	  .decode = stage1_decode_64k },
};

const struct pt_format arm_stage1[ARM_GRANULES] = {
	{ .name = "arm-stage1-4k",
	  .granule_lg2 = 12,
	  .index_bits = 9,
	  .decode = stage1_decode_4k,
	  .leaf = stage1_leaf,
	  .table = table,
	  .role = &arm_lpae_roles[0] },
	{ .name = "arm-stage1-16k",
	  .granule_lg2 = 14,
	  .index_bits = 11,
	  .decode = stage1_decode_16k,
	  .leaf = stage1_leaf,
	  .table = table,
	  .role = &arm_lpae_roles[1] },
	{ .name = "arm-stage1-64k",
	  .granule_lg2 = 16,
	  .index_bits = 13,
	  .decode = stage1_decode_64k,
	  .leaf = stage1_leaf,
	  .table = table,
	  .role = &arm_lpae_roles[2] },
};

const struct pt_format arm_stage2[ARM_GRANULES] = {
	{ .name = "arm-stage2-4k",
	  .granule_lg2 = 12,
	  .index_bits = 9,
	  .decode = stage2_decode_4k,
	  .leaf = stage2_leaf,
	  .table = table,
	  .role = &arm_lpae_roles[0] },
	{ .name = "arm-stage2-16k",
	  .granule_lg2 = 14,
	  .index_bits = 11,
	  .decode = stage2_decode_16k,
	  .leaf = stage2_leaf,
	  .table = table,
	  .role = &arm_lpae_roles[1] },
	{ .name = "arm-stage2-64k",
	  .granule_lg2 = 16,
	  .index_bits = 13,
	  .decode = stage2_decode_64k,
	  .leaf = stage2_leaf,
	  .table = table,
	  .role = &arm_lpae_roles[2] },
};
