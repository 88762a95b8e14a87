/* VT-d invalidation descriptors as neutral invalidations; specification 6.5.2. */
#include "hw/base/bits.h"
#include "traces/import_emit.h"

static struct building begin_inval(const struct descriptor *descriptor)
{
	struct building building = building_begin(EVENT_INVAL, 0, descriptor->origin);

	building.event.flags = (uint8_t)((building.event.flags & ~3u) | CLASS_DERIVED);
	if (descriptor->has_id)
		building_set(&building, INVAL_ID, descriptor->id);
	return building;
}

static void set_range(struct building *building, uint64_t address, unsigned order)
{
	if (order >= 52)
		return; /* everything */
	building_set(building, INVAL_IOVA, address & ~low_mask(12 + order));
	building_set(building, INVAL_SIZE, 1ull << (12 + order));
}

/* The size of a device TLB's range is told by the lowest zero bit of its address. */
static void set_atc_range(struct building *building, uint64_t address, bool sized)
{
	uint64_t page = address >> 12;

	set_range(building, address,
		  sized ? (~page ? (unsigned)__builtin_ctzll(~page) + 1 : 52) : 0);
}

static void invalidate_config(struct emitter *emitter, const struct descriptor *descriptor,
			      uint16_t sid, uint32_t pasid)
{
	struct building building = begin_inval(descriptor);

	if (emitter->devices[sid].agent == EVENT_NO_AGENT)
		return;
	building_device(&building, emitter->devices[sid].device);
	if (pasid != PASID_NONE)
		building_set(&building, INVAL_PASID, pasid);
	building_set(&building, INVAL_CONFIG, 1);
	emitter_push(emitter, &building);
}

/* Context cache, specification 6.5.2.1; PASID cache, 6.5.2.2 (did and pasid in both places). */
static void invalidate_configs(struct emitter *emitter, const struct descriptor *descriptor,
			       int32_t did, uint32_t pasid)
{
	for (size_t i = 0; i < emitter->sids_n; i++) {
		uint16_t sid = emitter->sids[i];

		if (did == NO_DID || emitter->devices[sid].did == did)
			invalidate_config(emitter, descriptor, sid, pasid);
	}
}

static void invalidate_context(struct emitter *emitter, const struct descriptor *descriptor)
{
	static const uint16_t function_masks[4] = { 0, 4, 6, 7 };
	uint64_t low = descriptor->words[0];
	uint16_t sid = (uint16_t)(low >> 32), mask = function_masks[bits(low, 49, 48)];

	switch (bits(low, 5, 4)) {
	case 1:
		invalidate_configs(emitter, descriptor, NO_DID, PASID_NONE);
		break;
	case 2:
		invalidate_configs(emitter, descriptor, (int32_t)bits(low, 31, 16), PASID_NONE);
		break;
	case 3:
		for (size_t i = 0; i < emitter->sids_n; i++)
			if (((emitter->sids[i] ^ sid) & ~mask & 0xffff) == 0)
				invalidate_config(emitter, descriptor, emitter->sids[i],
						  PASID_NONE);
		break;
	}
}

/* IOTLB, 6.5.2.3; by PASID, 6.5.2.4 */
static void invalidate_iotlb(struct emitter *emitter, const struct descriptor *descriptor,
			     bool by_pasid)
{
	struct building building = begin_inval(descriptor);
	uint64_t low = descriptor->words[0], high = descriptor->words[1];
	uint64_t granularity = bits(low, 5, 4);
	uint32_t domain = emitter->domains[bits(low, 31, 16)].domain;

	if (!by_pasid && granularity == 1) {
		building_set(&building, INVAL_IOMMU, emitter->iommus[descriptor->unit]);
	} else {
		if (granularity < 2 || domain == NAME_NONE)
			return;
		building_domain(&building, domain);
		if (by_pasid)
			building_set(&building, INVAL_PASID, bits(low, 51, 32));
		if (granularity == 3) {
			set_range(&building, high, (unsigned)bits(high, 5, 0));
			if (bit(high, 6))
				building_set(&building, INVAL_LEAF, 1);
		}
	}
	if (!by_pasid && bits(low, 7, 6) != 3)
		building_set(&building, INVAL_DRAIN, 1);
	emitter_push(emitter, &building);
}

/* Device TLB, 6.5.2.5; by PASID, 6.5.2.6 */
static void invalidate_atc(struct emitter *emitter, const struct descriptor *descriptor,
			   bool by_pasid)
{
	struct building building = begin_inval(descriptor);
	uint64_t low = descriptor->words[0], high = descriptor->words[1];
	uint64_t sid = by_pasid ? bits(low, 31, 16) : bits(low, 47, 32);

	if (emitter->devices[sid].agent == EVENT_NO_AGENT)
		return;
	building_device(&building, emitter->devices[sid].device);
	set_atc_range(&building, high, by_pasid ? bit(high, 11) : bit(high, 0));
	if (by_pasid && !bit(high, 0))
		building_set(&building, INVAL_PASID, bits(low, 51, 32));
	building_set(&building, INVAL_ATC, 1);
	emitter_push(emitter, &building);
}

void vtd_invalidate(struct emitter *emitter, const struct descriptor *descriptor)
{
	struct building building = building_begin(EVENT_CMD, 0, descriptor->origin);
	uint64_t low = descriptor->words[0];

	if (emitter->iommus_n > 1)
		building_set(&building, CMD_IOMMU, emitter->iommus[descriptor->unit]);
	building_set(&building, CMD_W0, low);
	building_set(&building, CMD_W1, descriptor->words[1]);
	if (descriptor->words[2] || descriptor->words[3]) {
		building_set(&building, CMD_W2, descriptor->words[2]);
		building_set(&building, CMD_W3, descriptor->words[3]);
	}
	if (descriptor->has_id)
		building_set(&building, CMD_ID, descriptor->id);
	emitter_push(emitter, &building);
	switch (bits(low, 3, 0)) {
	case 1:
		invalidate_context(emitter, descriptor);
		break;
	case 2:
	case 6:
		invalidate_iotlb(emitter, descriptor, bits(low, 3, 0) == 6);
		break;
	case 3:
	case 8:
		invalidate_atc(emitter, descriptor, bits(low, 3, 0) == 8);
		break;
	case 7:
		if (bits(low, 5, 4) != 2)
			invalidate_configs(
				emitter, descriptor,
				bits(low, 5, 4) == 3 ? NO_DID : (int32_t)bits(low, 31, 16),
				bits(low, 5, 4) == 1 ? (uint32_t)bits(low, 51, 32) : PASID_NONE);
		break;
	}
}
