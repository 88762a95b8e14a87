/* SMMUv3 commands as neutral invalidations; IHI 0070 chapter 4. */
#include <stdio.h>

#include "hw/base/bits.h"
#include "traces/import_emit.h"

enum opcode {
	CFGI_STE = 0x03,
	CFGI_STE_RANGE = 0x04, /* and CFGI_ALL */
	CFGI_CD = 0x05,
	CFGI_CD_ALL = 0x06,
	TLBI_NH_ALL = 0x10,
	TLBI_NH_ASID = 0x11,
	TLBI_NH_VA = 0x12,
	TLBI_NH_VAA = 0x13,
	TLBI_EL2_ALL = 0x20,
	TLBI_EL2_ASID = 0x21,
	TLBI_EL2_VA = 0x22,
	TLBI_EL2_VAA = 0x23,
	TLBI_S12_VMALL = 0x28,
	TLBI_S2_IPA = 0x2a,
	TLBI_NSNH_ALL = 0x30,
	ATC_INV = 0x40,
};

/* TG 0: one page. (NUM + 1) << SCALE granules otherwise, 4.4.1.1 */
static void range_of(const uint64_t words[2], uint64_t *first, uint64_t *last)
{
	static const uint8_t granule_lg2[4] = { 12, 12, 14, 16 };
	unsigned tg = (unsigned)bits(words[1], 11, 10), lg2 = granule_lg2[tg];
	uint64_t pages = tg ? bits(words[0], 16, 12) + 1 : 1;
	unsigned shift = lg2 + (tg ? (unsigned)bits(words[0], 24, 20) : 0);

	*first = bits_at(words[1], 63, 12) & ~low_mask(lg2);
	*last = *first + (pages << shift) - 1;
	if (shift > 57 || *last < *first)
		*last = UINT64_MAX;
}

static bool smmuv3_scope(const uint64_t words[2], struct command_scope *scope)
{
	int32_t asid = (int32_t)bits(words[0], 63, 48), vmid = (int32_t)bits(words[0], 47, 32);

	*scope = (struct command_scope){ .space = NO_SPACE, .sid = -1 };
	switch (bits(words[0], 7, 0)) {
	case CFGI_STE:
	case CFGI_CD:
	case CFGI_CD_ALL:
		scope->configuration = true;
		if (words[0] >> 32 <= 0xffff)
			scope->sid = (int32_t)(words[0] >> 32);
		return true;
	case TLBI_NH_ASID:
	case TLBI_EL2_ASID:
		scope->space = asid;
		return true;
	case TLBI_NH_VA:
	case TLBI_EL2_VA:
		scope->space = asid;
		scope->selective = true;
		range_of(words, &scope->first, &scope->last);
		return true;
	case TLBI_S12_VMALL:
		scope->space = SPACE_STAGE2 | vmid;
		return true;
	case TLBI_S2_IPA:
		scope->space = SPACE_STAGE2 | vmid;
		scope->selective = true;
		range_of(words, &scope->first, &scope->last);
		return true;
	case ATC_INV:
		if (words[0] >> 32 <= 0xffff)
			scope->sid = (int32_t)(words[0] >> 32);
		return true;
	default:
		return false;
	}
}

static void smmuv3_name_space(int32_t space, char name[24])
{
	snprintf(name, 24, space & SPACE_STAGE2 ? "vmid%d" : "asid%d", (int)(space & 0xffff));
}

static void smmuv3_tag_space(int32_t space, struct building *domain)
{
	building_set(domain, space & SPACE_STAGE2 ? DOMAIN_VMID : DOMAIN_ASID,
		     (uint64_t)(space & 0xffff));
}

/* ---- what a command means ------------------------------------------------------------ */

static void invalidate_all(struct emitter *emitter, const struct descriptor *descriptor)
{
	struct building building = begin_inval(descriptor);

	building_set(&building, INVAL_IOMMU, emitter->iommus[descriptor->unit]);
	emitter_push(emitter, &building);
}

/* Of one space: everything, or the command's range. */
static void invalidate_space(struct emitter *emitter, const struct descriptor *descriptor,
			     int32_t space, bool ranged)
{
	struct building building = begin_inval(descriptor);
	uint64_t first, last;

	if (emitter->domains[space].domain == NAME_NONE)
		return;
	building_domain(&building, emitter->domains[space].domain);
	if (ranged) {
		range_of(descriptor->words, &first, &last);
		if (first != 0 || last != UINT64_MAX) {
			building_set(&building, INVAL_IOVA, first);
			building_set(&building, INVAL_SIZE, last - first + 1);
		}
		if (bit(descriptor->words[1], 0))
			building_set(&building, INVAL_LEAF, 1);
	}
	emitter_push(emitter, &building);
}

/* TLBI_NH_VAA: of every ASID. */
static void invalidate_spaces(struct emitter *emitter, const struct descriptor *descriptor)
{
	for (int32_t space = 0; space < SPACE_STAGE2; space++)
		invalidate_space(emitter, descriptor, space, true);
}

static void invalidate_configs(struct emitter *emitter, const struct descriptor *descriptor)
{
	uint64_t first = descriptor->words[0] >> 32;
	uint64_t last = first | low_mask((unsigned)bits(descriptor->words[1], 4, 0) + 1);

	for (size_t i = 0; i < emitter->sids_n; i++)
		if (emitter->sids[i] >= first && emitter->sids[i] <= last)
			invalidate_config(emitter, descriptor, emitter->sids[i], PASID_NONE);
}

static void invalidate_atc(struct emitter *emitter, const struct descriptor *descriptor)
{
	struct building building = begin_inval(descriptor);
	uint64_t sid = descriptor->words[0] >> 32;
	unsigned lg2 = 12 + (unsigned)bits(descriptor->words[1], 5, 0);

	if (sid > 0xffff || emitter->devices[sid].agent == EVENT_NO_AGENT)
		return;
	building_device(&building, emitter->devices[sid].device);
	if (lg2 < 64) {
		building_set(&building, INVAL_IOVA,
			     bits_at(descriptor->words[1], 63, 12) & ~low_mask(lg2));
		building_set(&building, INVAL_SIZE, 1ull << lg2);
	}
	building_set(&building, INVAL_ATC, 1);
	emitter_push(emitter, &building);
}

static void smmuv3_invalidate(struct emitter *emitter, const struct descriptor *descriptor)
{
	struct command_scope scope;

	/* Words made of what QEMU's log says: equal in meaning, not verbatim. */
	emit_command(emitter, descriptor, CLASS_DERIVED);
	smmuv3_scope(descriptor->words, &scope);
	switch (bits(descriptor->words[0], 7, 0)) {
	case CFGI_STE_RANGE:
		invalidate_configs(emitter, descriptor);
		break;
	case CFGI_STE:
	case CFGI_CD:
	case CFGI_CD_ALL:
		if (scope.sid >= 0)
			invalidate_config(emitter, descriptor, (uint16_t)scope.sid, PASID_NONE);
		break;
	case TLBI_NH_ALL:
	case TLBI_EL2_ALL:
	case TLBI_NSNH_ALL:
		invalidate_all(emitter, descriptor);
		break;
	case TLBI_NH_ASID:
	case TLBI_EL2_ASID:
	case TLBI_S12_VMALL:
		invalidate_space(emitter, descriptor, scope.space, false);
		break;
	case TLBI_NH_VA:
	case TLBI_EL2_VA:
	case TLBI_S2_IPA:
		invalidate_space(emitter, descriptor, scope.space, true);
		break;
	case TLBI_NH_VAA:
	case TLBI_EL2_VAA:
		invalidate_spaces(emitter, descriptor);
		break;
	case ATC_INV:
		invalidate_atc(emitter, descriptor);
		break;
	}
}

const struct import_arch import_smmuv3 = {
	.model = "smmuv3",
	.log = "QEMU log, SMMUv3",
	.unknown = "unknown",
	.host_tells = true,
	.scope = smmuv3_scope,
	.name_space = smmuv3_name_space,
	.tag_space = smmuv3_tag_space,
	.invalidate = smmuv3_invalidate,
};
