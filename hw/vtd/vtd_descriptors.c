/* Invalidation descriptors: how they are encoded, decoded and checked (specification 6.5.2). */
#include "hw/vtd/vtd_private.h"

/* The PASID whose first-stage translations a neutral scope is about: drivers' tables are reached
 * by requests without a PASID, so by RID_PASID, which they leave 0. */
static uint32_t scope_pasid(const struct invalidation *what)
{
	return what->pasid == NO_PASID ? 0 : what->pasid;
}

/* One aligned block that covers start and end: the number of low page bits it ignores. */
static unsigned block_mask(const struct invalidation *what)
{
	unsigned mask = 0;

	while (mask < 52 && (what->first >> 12 >> mask) != (what->last >> 12 >> mask))
		mask++;
	return mask;
}

static uint64_t block(const struct invalidation *what, unsigned mask)
{
	return (what->first & ~low_mask(12 + mask)) | (uint64_t)what->leaf << QI_IH_BIT | mask;
}

/* 6.5.2.5: with S (bit 0) the low address bits are ones, ended by the first zero, up to the size. */
static uint64_t device_block(const struct invalidation *what)
{
	unsigned mask = block_mask(what);

	return (what->first & ~low_mask(12 + mask)) | (mask ? (low_mask(mask - 1) << 12) | 1 : 0);
}

/* Type 3, or with a PASID type 8, whose S is bit 11. */
static void encode_device(const struct vtd *vtd, const struct invalidation *what, uint64_t *low,
			  uint64_t *high)
{
	uint64_t sid = vtd->devices[what->device].sid, block = device_block(what);

	*low = QI_DEVICE_TLB | sid << 32;
	*high = block;
	if (what->pasid == NO_PASID)
		return;
	*low = QI_PASID_DEVICE_TLB | sid << 16;
	*high = (block & ~1ull) | (block & 1) << 11;
	if (what->pasid == ALL_PASIDS)
		*high |= 1;
	else
		*low |= (uint64_t)what->pasid << 32;
}

/*
 * Whether copies of the scope are tagged by PASID: those of a driver's first-stage tables; in tables
 * that a recording wrote, those that it names a PASID for. Several PASIDs take a type 2, which
 * removes the first-stage copies of the whole domain.
 */
static bool first_stage(const struct vtd *vtd, const struct invalidation *what)
{
	if (what->pasid == ALL_PASIDS)
		return false;
	return vtd_drives_first(vtd) ||
	       (vtd->config.driver_tables == DRIVER_LEGACY && what->pasid != NO_PASID);
}

static uint64_t drains(const struct invalidation *what)
{
	return what->drain ? 1u << QI_DW_BIT | 1u << QI_DR_BIT : 0;
}

/* A range of an address space; the whole domain where the block is too large (second stage). */
static void encode_range(const struct vtd *vtd, const struct invalidation *what,
			 struct native_command *command)
{
	unsigned mask = block_mask(what);
	uint64_t low = QI_IOTLB | drains(what), high = 0;

	if (first_stage(vtd, what)) {
		low = QI_PASID_IOTLB | GRANULARITY_SELECTIVE << 4 |
		      (uint64_t)scope_pasid(what) << 32;
		high = block(what, mask);
	} else if (vtd->config.page_selective && mask <= vtd->config.mamv) {
		low |= GRANULARITY_SELECTIVE << 4;
		high = block(what, mask);
	} else {
		low |= GRANULARITY_DOMAIN << 4;
	}
	*command = (struct native_command){ .words = { low | what->tag << 16, high } };
}

/* The device's entry: a context entry, or in a driver's scalable tables its PASID table entry. */
static uint64_t encode_config(const struct vtd *vtd, const struct invalidation *what)
{
	if (vtd->config.driver_tables != DRIVER_LEGACY)
		return QI_PASID_CACHE | GRANULARITY_SELECTIVE << 4; /* global: the id may be old */
	return QI_CONTEXT | GRANULARITY_SELECTIVE << 4 | what->tag << 16 |
	       (uint64_t)vtd->devices[what->device].sid << 32;
}

/* All but ranges. */
static void encode_other(const struct vtd *vtd, const struct invalidation *what,
			 struct native_command *command)
{
	uint64_t low = QI_IOTLB | drains(what), high = 0;

	switch (what->what) {
	case INVAL_ALL:
		low |= GRANULARITY_GLOBAL << 4;
		break;
	case INVAL_RANGE: /* encode_range() */
		break;
	case INVAL_DOMAIN:
		low |= GRANULARITY_DOMAIN << 4 | what->tag << 16;
		if (what->pasid != NO_PASID && first_stage(vtd, what))
			low = QI_PASID_IOTLB | GRANULARITY_DOMAIN << 4 | what->tag << 16 |
			      (uint64_t)what->pasid << 32;
		break;
	case INVAL_DEVICE_CONFIG:
		low = encode_config(vtd, what);
		break;
	case INVAL_DEVICE_ATC:
		encode_device(vtd, what, &low, &high);
		break;
	}
	*command = (struct native_command){ .words = { low, high } };
}

static __attribute__((noinline)) bool encode_any(const struct vtd *vtd,
						 const struct invalidation *what,
						 struct native_command *command,
						 struct invalidation *covers)
{
	if (what->what == INVAL_RANGE)
		encode_range(vtd, what, command);
	else
		encode_other(vtd, what, command);
	return vtd_decode(&vtd->iommu, command, covers);
}

/* The range of one page as a type 2, as most are; what encode_range() and decode() come to. */
static inline void encode_page(const struct invalidation *what, struct native_command *command,
			       struct invalidation *covers)
{
	iova_t page = what->first & ~page_mask(12);

	command->words[0] = QI_IOTLB | drains(what) | GRANULARITY_SELECTIVE << 4 | what->tag << 16;
	command->words[1] = page | (uint64_t)what->leaf << QI_IH_BIT;
	command->words[2] = command->words[3] = 0;
	/* field by field, each once */
	covers->what = INVAL_RANGE;
	covers->device = 0;
	covers->tag = what->tag & 0xffff;
	covers->pasid = NO_PASID;
	covers->first = page;
	covers->last = page + page_mask(12);
	covers->leaf = what->leaf;
	covers->drain = what->drain;
}

bool vtd_encode(const struct iommu *iommu, const struct invalidation *what,
		struct native_command *command, struct invalidation *covers)
{
	const struct vtd *vtd = (const struct vtd *)iommu;

	if (what->what == INVAL_RANGE && !((what->first ^ what->last) >> 12) &&
	    vtd->config.page_selective && what->pasid == NO_PASID && !vtd_drives_first(vtd)) {
		encode_page(what, command, covers);
		return true;
	}
	return encode_any(vtd, what, command, covers);
}

static void decode_block(uint64_t high, struct invalidation *what)
{
	unsigned mask = (unsigned)bits(high, 5, 0);

	what->what = INVAL_RANGE;
	what->leaf = bit(high, QI_IH_BIT);
	what->first = bits_at(high, 63, 12) & ~low_mask(12 + mask);
	what->last = what->first + low_mask(12 + mask);
}

/* Types 3 and 8. Without a PASID: the copies of requests without one (PCIe 10.3). */
static __attribute__((noinline)) bool decode_device_block(const struct vtd *vtd,
							  const struct native_command *command,
							  struct invalidation *what)
{
	uint64_t low = command->words[0], high = command->words[1], sid = bits(low, 47, 32);
	bool pasid = bits(low, 3, 0) == QI_PASID_DEVICE_TLB, sized = bit(high, pasid ? 11 : 0);
	unsigned mask = sized ? (unsigned)__builtin_ctzll(~(high >> 12)) + 1 : 0;

	*what = (struct invalidation){ .what = INVAL_DEVICE_ATC, .pasid = NO_PASID };
	if (pasid) {
		sid = bits(low, 31, 16);
		what->pasid = bit(high, 0) ? ALL_PASIDS : vtd_descriptor_pasid(low);
	}
	what->first = bits_at(high, 63, 12) & ~low_mask(12 + mask);
	what->last = what->first | low_mask(12 + mask);
	for (what->device = 0; what->device < vtd->n_devices; what->device++)
		if (vtd->devices[what->device].sid == sid)
			return true;
	return false;
}

bool vtd_decode(const struct iommu *iommu, const struct native_command *command,
		struct invalidation *what)
{
	uint64_t low = command->words[0], high = command->words[1], type = bits(low, 3, 0);
	bool pasid = type == QI_PASID_IOTLB;

	if (type != QI_IOTLB && !pasid)
		return (type == QI_DEVICE_TLB || type == QI_PASID_DEVICE_TLB) &&
		       decode_device_block((const struct vtd *)iommu, command, what);
	*what = (struct invalidation){ .tag = bits(low, 31, 16),
				       .pasid = pasid ? vtd_descriptor_pasid(low) : NO_PASID,
				       .last = UINT64_MAX,
				       .drain = pasid ||
						(bit(low, QI_DR_BIT) && bit(low, QI_DW_BIT)) };
	switch (bits(low, 5, 4)) {
	case GRANULARITY_GLOBAL:
		what->what = INVAL_ALL;
		return !pasid;
	case GRANULARITY_DOMAIN:
		what->what = INVAL_DOMAIN;
		return true;
	case GRANULARITY_SELECTIVE:
		decode_block(high, what);
		return true;
	default:
		return false;
	}
}

/* ---- what hardware refuses ---------------------------------------------------------------- */

static const char *block_error(const struct vtd *vtd, uint64_t type, uint64_t high)
{
	if (type == QI_IOTLB && !vtd->config.page_selective)
		return "a page-selective invalidation without CAP.PSI";
	/* Drivers do not test type 6 against MAMV, so neither does this. */
	if (type == QI_IOTLB && bits(high, 5, 0) > vtd->config.mamv)
		return "an address mask above CAP.MAMV";
	return NULL;
}

/* What descriptors of a type have to be like. */
struct descriptor_rule {
	uint64_t reserved[2];
	uint8_t granularities; /* a bit each that it has; those of a type that has no such field: all */
	bool wide;	       /* of scalable mode */
};
enum { ANY_GRANULARITY = 0xf };

static const struct descriptor_rule descriptor_rules[16] = {
	[QI_CONTEXT] = { { 0xfffc00000000f1c0, UINT64_MAX }, 0xe, false },
	[QI_IOTLB] = { { QI_IOTLB_RESERVED_LOW, QI_IOTLB_RESERVED_HIGH }, 0xe, false },
	[QI_DEVICE_TLB] = { { 0x000f0000ffe0f1f0, 0xffe }, ANY_GRANULARITY, false },
	[QI_INTERRUPT] = { { 0xffff000007fff1e0, UINT64_MAX }, ANY_GRANULARITY, false },
	[QI_WAIT] = { { 0, 0x3 }, ANY_GRANULARITY, false },
	[QI_PASID_IOTLB] = { { 0xfff000000000f1c0, 0xf80 },
			     1 << GRANULARITY_DOMAIN | 1 << GRANULARITY_SELECTIVE,
			     true },
	[QI_PASID_CACHE] = { { 0xfff000000000f1c0, UINT64_MAX },
			     ANY_GRANULARITY & ~(1 << GRANULARITY_DOMAIN),
			     true },
	[QI_PASID_DEVICE_TLB] = { { 0, 0x7fe }, ANY_GRANULARITY, true },
	[QI_PAGE_RESPONSE] = { { 0xfff00000000001c0, 0xfffffffffffff003 }, ANY_GRANULARITY, true },
};

bool vtd_needs_wide(uint64_t low)
{
	return descriptor_rules[bits(low, 3, 0)].wide;
}

/* Reserved bits and limits of a descriptor; NULL: fine, else what is wrong. */
const char *vtd_descriptor_error(const struct vtd *vtd, const struct native_command *command)
{
	uint64_t low = command->words[0], high = command->words[1];
	uint64_t type = bits(low, 3, 0), granularity = bits(low, 5, 4);
	const struct descriptor_rule *rule = &descriptor_rules[type];
	bool private = type == QI_PAGE_RESPONSE && bit(low, QI_PRIVATE_BIT);

	/* Types 7 and 8 reach into [11:9] with nothing but zeros; MIP of type 8 lies there. */
	if (!rule->granularities || (bits(low, 11, 9) && type != QI_PASID_DEVICE_TLB))
		return "a descriptor type that does not exist";
	if (rule->wide && !vtd->config.scalable)
		return "a descriptor type of scalable mode, which is not supported";
	if ((low & rule->reserved[0]) || (high & rule->reserved[1]) ||
	    ((command->words[2] || command->words[3]) && !private))
		return "reserved bits set in the descriptor";
	if (type == QI_WAIT && bit(low, QI_PD_BIT) && !vtd->config.page_request_drain)
		return "a wait that drains page requests (PD) without ECAP.PDS";
	if (!(rule->granularities >> granularity & 1))
		return "a granularity that the descriptor type does not have";
	if ((type == QI_IOTLB || type == QI_PASID_IOTLB) && granularity == GRANULARITY_SELECTIVE)
		return block_error(vtd, type, high);
	return NULL;
}
