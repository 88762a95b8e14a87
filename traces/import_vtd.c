/* VT-d invalidation descriptors as neutral invalidations; specification 6.5.2. */
#include "hw/base/bits.h"
#include "traces/import_emit.h"

#include <stdio.h>

/* Devices and domains that a descriptor names, specification 6.5.2. */
static bool vtd_scope(const uint64_t words[2], struct command_scope *scope)
{
	uint64_t low = words[0], granularity = bits(low, 5, 4), order = bits(words[1], 5, 0);
	bool selective = false;

	*scope = (struct command_scope){ .space = NO_SPACE, .sid = -1 };
	switch (bits(low, 3, 0)) {
	case 1: /* context cache: 1 global, 2 domain, 3 device */
		if (granularity == 2)
			scope->space = (int32_t)bits(low, 31, 16);
		if (granularity == 3 && bits(low, 49, 48) == 0)
			scope->sid = (int32_t)bits(low, 47, 32);
		scope->configuration = true;
		break;
	case 2: /* IOTLB: 1 global; 6: by PASID */
	case 6:
		if (granularity != 1 || bits(low, 3, 0) == 6)
			scope->space = (int32_t)bits(low, 31, 16);
		selective = granularity == 3;
		break;
	case 3: /* device TLB */
		scope->sid = (int32_t)bits(low, 47, 32);
		break;
	case 7: /* PASID cache: 3 global */
		if (granularity != 3)
			scope->space = (int32_t)bits(low, 31, 16);
		break;
	case 8: /* device TLB by PASID; source id in bits 31:16 */
		scope->sid = (int32_t)bits(low, 31, 16);
		break;
	default:
		return false;
	}
	scope->selective = selective;
	scope->first = words[1] & ~0xfffull & ~low_mask(order >= 52 ? 64 : 12 + (unsigned)order);
	scope->last = scope->first | low_mask(order >= 52 ? 64 : 12 + (unsigned)order);
	return true;
}

static void vtd_name_space(int32_t space, char name[24])
{
	snprintf(name, 24, "did%d", (int)space);
}

static void vtd_tag_space(int32_t space, struct building *domain)
{
	building_set(domain, DOMAIN_DID, (uint64_t)space);
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

/* Context cache, specification 6.5.2.1; PASID cache, 6.5.2.2 (did and pasid in both places). */
static void invalidate_configs(struct emitter *emitter, const struct descriptor *descriptor,
			       int32_t space, uint32_t pasid)
{
	for (size_t i = 0; i < emitter->sids_n; i++) {
		uint16_t sid = emitter->sids[i];

		if (space == NO_SPACE || emitter->devices[sid].space == space)
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
		invalidate_configs(emitter, descriptor, NO_SPACE, PASID_NONE);
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

static void vtd_invalidate(struct emitter *emitter, const struct descriptor *descriptor)
{
	uint64_t low = descriptor->words[0];

	emit_command(emitter, descriptor, descriptor->origin->class);
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
				bits(low, 5, 4) == 3 ? NO_SPACE : (int32_t)bits(low, 31, 16),
				bits(low, 5, 4) == 1 ? (uint32_t)bits(low, 51, 32) : PASID_NONE);
		break;
	}
}

const struct import_arch import_vtd = {
	.model = "vtd",
	.log = "QEMU log, VT-d",
	.unknown = "did-unknown",
	.scope = vtd_scope,
	.name_space = vtd_name_space,
	.tag_space = vtd_tag_space,
	.invalidate = vtd_invalidate,
};
