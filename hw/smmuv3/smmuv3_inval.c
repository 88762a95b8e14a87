/* What invalidation commands remove: IHI 0070 4.3, 4.4. */
#include "hw/smmuv3/smmuv3_private.h"

enum { LEAF_BIT = 0, CFGI_ALL_RANGE = 31 };

static bool by_address(unsigned opcode)
{
	return opcode == CMD_TLBI_NH_VA || opcode == CMD_TLBI_NH_VAA || opcode == CMD_TLBI_EL2_VA ||
	       opcode == CMD_TLBI_EL2_VAA || opcode == CMD_TLBI_S2_IPA;
}

/* Bytes of a range command are (NUM + 1) * 2^SCALE granules (4.4.1.1). */
void smmu_tlbi_range(const struct smmu *smmu, const struct native_command *command, uint64_t *first,
		     uint64_t *last)
{
	static const uint8_t granules[] = { 0, 12, 14, 16 };
	uint64_t low = command->words[0], high = command->words[1], size = 4096;
	unsigned granule_lg2 = granules[bits(high, 11, 10)];

	*first = bits_at(high, 63, 12);
	if (bits(low, 7, 0) == CMD_TLBI_S2_IPA)
		*first &= low_mask(52);
	if (smmu->config.ril && granule_lg2)
		size = (bits(low, 16, 12) + 1) << (bits(low, 24, 20) + granule_lg2);
	*last = *first + (size - 1);
	if (*last < *first || (*first >> 52) != (*last >> 52))
		*last = *first | low_mask(52); /* not beyond the half */
}

/* Which tags a command is about (3.17, 4.4). */
struct tags_of {
	const struct smmu *smmu;
	unsigned opcode;
	uint16_t vmid, asid;
};

static bool vmid_matches(const struct tags_of *which, const struct smmu_tag *tag)
{
	uint16_t wild = (uint16_t)low_mask((unsigned)bits(which->smmu->cr0, 8, 6));

	if (!which->smmu->config.vmw)
		wild = 0;
	return !which->smmu->config.s2p || !((tag->vmid ^ which->vmid) & ~wild);
}

static bool covers(void *ctx, const struct smmu_tag *tag)
{
	const struct tags_of *which = ctx;
	bool el1 = tag->world == WORLD_EL1, ipa = tag->world == WORLD_EL1_IPA;
	bool asid = tag->asid == which->asid && !tag->global;
	bool over = which->smmu->config.over_invalidation;

	switch (which->opcode) {
	case CMD_TLBI_NH_ALL:
	case CMD_TLBI_NH_VAA:
		return el1 && vmid_matches(which, tag);
	case CMD_TLBI_NH_ASID:
		return el1 && vmid_matches(which, tag) && (asid || (over && tag->global));
	case CMD_TLBI_NH_VA:
		return el1 && vmid_matches(which, tag) && (asid || tag->global);
	case CMD_TLBI_EL2_ALL:
	case CMD_TLBI_EL2_VAA:
		return !el1 && !ipa;
	case CMD_TLBI_EL2_ASID:
		return tag->world == WORLD_EL2 || (tag->world == WORLD_EL2_E2H && asid);
	case CMD_TLBI_EL2_VA:
		return tag->world == WORLD_EL2 ||
		       (tag->world == WORLD_EL2_E2H && (asid || tag->global));
	case CMD_TLBI_S12_VMALL:
		return (el1 || ipa) && vmid_matches(which, tag);
	case CMD_TLBI_S2_IPA:
		return ipa && vmid_matches(which, tag);
	default:
		return el1 || ipa;
	}
}

struct removal {
	struct smmu *smmu;
	struct inval_report *report;
	bool pointers;
	int level; /* TTL: only leaves found there, -1: any */
	bool stage2;
};

static bool remove_copy(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	struct removal *removal = ctx;
	bool checked = smmu_checked(removal->smmu, tlb, at);
	unsigned shift = removal->stage2 ? LEVEL2_SHIFT : LEVEL1_SHIFT;

	if (!removal->pointers && removal->level >= 0 &&
	    (int)(*at->data >> shift & 3) != removal->level) {
		removal->smmu->count.ttl_left++;
		return false;
	}
	removal->report->stale += checked;
	if (removal->pointers) {
		removal->report->pointers++;
	} else {
		removal->report->removed++;
		removal->report->agreed += !checked;
	}
	smmu_copy_closes(removal->smmu, tlb, at);
	return true;
}

/* Level by the TTL hint, as tables count; -1: none (4.4.1.1). */
static int ttl_level(const struct smmu *smmu, uint64_t high)
{
	unsigned ttl = (unsigned)bits(high, 9, 8), granule = (unsigned)bits(high, 11, 10);

	if (!smmu->config.ril || smmu->config.over_invalidation || !granule || !ttl ||
	    (granule == 2 && ttl == 1))
		return -1;
	return 3 - (int)ttl;
}

static void remove_tag(struct smmu *smmu, uint32_t tag, const struct native_command *command,
		       struct inval_report *report)
{
	unsigned opcode = (unsigned)bits(command->words[0], 7, 0);
	bool stage2 = smmu->tags[tag].world == WORLD_EL1_IPA, address = by_address(opcode);
	struct removal removal = { .smmu = smmu, .report = report, .stage2 = stage2, .level = -1 };
	struct tlb_scope scope = { .tag = tag, .last = low_mask(KEY_BITS) };

	if (address) {
		uint64_t first, last;
		bool upper;

		smmu_tlbi_range(smmu, command, &first, &last);
		upper = bit(first, 55) && !stage2 && smmu->tags[tag].world != WORLD_EL2;
		scope.first = smmu_key(first, upper);
		scope.last = smmu_key(last, upper);
		removal.level = ttl_level(smmu, command->words[1]);
	}
	tlb_visit(smmu->tlb, &scope, remove_copy, &removal);
	if (smmu->ipa && stage2)
		tlb_visit(smmu->ipa, &scope, remove_copy, &removal);
	if (address && bit(command->words[1], LEAF_BIT) && !smmu->config.over_invalidation)
		return;
	removal.pointers = true;
	/* Down to the descriptors above the level that is hinted at. */
	for (int level = removal.level < 0 ? 0 : removal.level; level < ARM_LEVELS; level++)
		if (smmu->walk[stage2][level])
			tlb_visit(smmu->walk[stage2][level], &scope, remove_copy, &removal);
}

void smmu_tlbi(struct smmu *smmu, const struct native_command *command, struct inval_report *report)
{
	struct tags_of which = { .smmu = smmu,
				 .opcode = (unsigned)bits(command->words[0], 7, 0),
				 .vmid = (uint16_t)bits(command->words[0], 47, 32),
				 .asid = (uint16_t)bits(command->words[0], 63, 48) };

	for (uint32_t i = 1; i < smmu->n_tags; i++)
		if (smmu->tags[i].world != WORLD_EL1_IPA || smmu->config.s2p)
			if (covers(&which, &smmu->tags[i]))
				remove_tag(smmu, i, command, report);
	if (!by_address(which.opcode))
		smmu_tags_flushed(smmu, covers, &which);
}

/* ---- configuration ---------------------------------------------------------------------------- */

static void drop_streams(struct smmu *smmu, uint32_t first, uint32_t last,
			 struct inval_report *report)
{
	for (uint64_t i = 0; i < smmu->config.config_entries; i++) {
		struct smmu_stream *stream = &smmu->streams[i];

		if (stream->valid && stream->sid >= first && stream->sid <= last)
			report->configs += smmu_stream_drop(smmu, stream);
	}
}

static void drop_cds(struct smmu *smmu, uint32_t sid, bool all, uint32_t ssid,
		     struct inval_report *report)
{
	for (uint64_t i = 0; i < smmu->config.config_entries; i++) {
		struct smmu_context *context = &smmu->contexts[i];
		uint32_t index = context->ssid == NO_PASID ? 0 : context->ssid;

		if (!context->valid || context->sid != sid || !context->cd_at ||
		    (!all && index != ssid))
			continue;
		smmu_context_drop(smmu, context);
		report->configs++;
	}
}

void smmu_cfgi(struct smmu *smmu, const struct native_command *command, struct inval_report *report)
{
	uint32_t sid = (uint32_t)(command->words[0] >> 32), span;
	unsigned range = (unsigned)bits(command->words[1], 4, 0);

	switch (bits(command->words[0], 7, 0)) {
	case CMD_CFGI_STE:
		drop_streams(smmu, sid, sid, report);
		break;
	case CMD_CFGI_STE_RANGE:
		span = range == CFGI_ALL_RANGE ? UINT32_MAX : (uint32_t)low_mask(range + 1);
		drop_streams(smmu, sid & ~span, sid | span, report);
		break;
	case CMD_CFGI_CD:
		drop_cds(smmu, sid, false, (uint32_t)bits(command->words[0], 31, 12), report);
		break;
	default:
		drop_cds(smmu, sid, true, 0, report);
		break;
	}
}
