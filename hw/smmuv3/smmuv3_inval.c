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

enum {
	EL1 = 1 << WORLD_EL1,
	EL1_IPA = 1 << WORLD_EL1_IPA,
	EL2 = 1 << WORLD_EL2,
	EL2_E2H = 1 << WORLD_EL2_E2H
};
enum globals { GLOBALS_STAY, GLOBALS_GO_TOO, GLOBALS_GO_OVER /* with over-invalidation */ };

/* Which tags a command is about (3.17, 4.4). */
struct tlbi_rule {
	uint8_t worlds;	 /* a bit each */
	uint8_t by_asid; /* worlds in which it is about one ASID, and so about global copies: */
	uint8_t globals; /* enum globals */
	bool by_vmid;
};
static const struct tlbi_rule tlbi_rules[CMD_TLBI_NSNH_ALL + 1] = {
	[CMD_TLBI_NH_ALL] = { EL1, 0, 0, true },
	[CMD_TLBI_NH_VAA] = { EL1, 0, 0, true },
	[CMD_TLBI_NH_ASID] = { EL1, EL1, GLOBALS_GO_OVER, true },
	[CMD_TLBI_NH_VA] = { EL1, EL1, GLOBALS_GO_TOO, true },
	[CMD_TLBI_EL2_ALL] = { EL2 | EL2_E2H, 0, 0, false },
	[CMD_TLBI_EL2_VAA] = { EL2 | EL2_E2H, 0, 0, false },
	[CMD_TLBI_EL2_ASID] = { EL2 | EL2_E2H, EL2_E2H, GLOBALS_STAY, false },
	[CMD_TLBI_EL2_VA] = { EL2 | EL2_E2H, EL2_E2H, GLOBALS_GO_TOO, false },
	[CMD_TLBI_S12_VMALL] = { EL1 | EL1_IPA, 0, 0, true },
	[CMD_TLBI_S2_IPA] = { EL1_IPA, 0, 0, true },
	[CMD_TLBI_NSNH_ALL] = { EL1 | EL1_IPA, 0, 0, false },
};

/* The same for one command. */
struct tags_of {
	uint8_t worlds, by_asid;
	bool globals;
	uint16_t vmid, vmid_care, asid; /* care: bits that count */
};

static struct tags_of tags_of(const struct smmu *smmu, const struct native_command *command)
{
	const struct tlbi_rule *rule = &tlbi_rules[bits(command->words[0], 7, 0)];
	uint64_t wild = smmu->config.vmw ? low_mask((unsigned)bits(smmu->cr0, 8, 6)) : 0;

	return (struct tags_of){
		.worlds = rule->worlds,
		.by_asid = rule->by_asid,
		.globals = rule->globals == GLOBALS_GO_TOO ||
			   (rule->globals == GLOBALS_GO_OVER && smmu->config.over_invalidation),
		.vmid = (uint16_t)bits(command->words[0], 47, 32),
		.vmid_care = (uint16_t)(rule->by_vmid && smmu->config.s2p ? ~wild : 0),
		.asid = (uint16_t)bits(command->words[0], 63, 48),
	};
}

static inline bool covers(const struct tags_of *which, const struct smmu_tag *tag)
{
	unsigned world = 1u << tag->world;

	if (!(which->worlds & world) || ((tag->vmid ^ which->vmid) & which->vmid_care))
		return false;
	if (!(which->by_asid & world))
		return true;
	return tag->global ? which->globals : tag->asid == which->asid;
}

/* Whether that can be one tag at most, as long as no number stands for several. */
static inline bool one_tag(const struct tags_of *which)
{
	return which->worlds == EL1 && which->by_asid == EL1 && !which->globals &&
	       which->vmid_care == UINT16_MAX;
}

static bool tag_flushed(void *ctx, const struct smmu_tag *tag)
{
	return covers(ctx, tag);
}

/* What one command removes of every tag that it is about. */
struct removal {
	struct smmu *smmu;
	struct inval_report *report;
	bool by_address, below; /* below: pointers to tables too */
	uint64_t first, last;	/* by address */
	int level;		/* TTL: only leaves found there, -1: any */
	bool pointers, stage2;	/* what is being removed */
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

/* Down to the descriptors above the level that is hinted at. */
static __attribute__((noinline)) void remove_pointers(const struct tlb_scope *scope,
						      struct removal *removal)
{
	struct tlb *const *walk = removal->smmu->walk[removal->stage2];

	removal->pointers = true;
	for (int level = removal->level < 0 ? 0 : removal->level; level < ARM_LEVELS; level++)
		if (walk[level])
			tlb_visit(walk[level], scope, remove_copy, removal);
	removal->pointers = false;
}

static void remove_tag(uint32_t tag, struct removal *removal)
{
	struct smmu *smmu = removal->smmu;
	enum world world = smmu->tags[tag].world;
	struct tlb_scope scope = { .tag = tag, .last = low_mask(KEY_BITS) };

	removal->stage2 = world == WORLD_EL1_IPA;
	if (removal->by_address) {
		bool upper = bit(removal->first, 55) && !removal->stage2 && world != WORLD_EL2;

		scope.first = smmu_key(removal->first, upper);
		scope.last = smmu_key(removal->last, upper);
	}
	tlb_visit(smmu->tlb, &scope, remove_copy, removal);
	if (smmu->ipa && removal->stage2)
		tlb_visit(smmu->ipa, &scope, remove_copy, removal);
	if (removal->below)
		remove_pointers(&scope, removal);
}

void smmu_tlbi(struct smmu *smmu, const struct native_command *command, struct inval_report *report)
{
	struct tags_of which = tags_of(smmu, command), all = which;
	struct removal removal = { .smmu = smmu,
				   .report = report,
				   .by_address =
					   by_address((unsigned)bits(command->words[0], 7, 0)),
				   .below = true,
				   .level = -1 };
	bool several = smmu->n_tags == SMMU_TAGS_MAX; /* contexts share the last number */

	if (removal.by_address) {
		smmu_tlbi_range(smmu, command, &removal.first, &removal.last);
		removal.level = ttl_level(smmu, command->words[1]);
		removal.below = !bit(command->words[1], LEAF_BIT) || smmu->config.over_invalidation;
	}
	if (!smmu->config.s2p)
		which.worlds &= (uint8_t)~EL1_IPA;
	if (!smmu->any_global && !several) /* they have no copies */
		which.globals = false;
	if (one_tag(&which) && !several) {
		uint32_t tag =
			smmu_tag_find(smmu, smmu_tag_id(WORLD_EL1, which.vmid, which.asid, false));
		if (tag)
			remove_tag(tag, &removal);
	} else {
		for (uint32_t i = 1; i < smmu->n_tags; i++)
			if (covers(&which, &smmu->tags[i]))
				remove_tag(i, &removal);
	}
	if (!removal.by_address)
		smmu_tags_flushed(smmu, tag_flushed, &all);
}

/* ---- one page ---------------------------------------------------------------------------------- */

/* The tag of a command for a leaf without range and hint; 0: the command is another, or the tag was never met. */
static inline uint32_t tag_of_page(const struct smmu *smmu, const struct native_command *command)
{
	uint64_t low = command->words[0];
	uint16_t vmid = (uint16_t)bits(low, 47, 32);

	if ((command->words[1] & page_mask(12)) != 1u << LEAF_BIT)
		return 0;
	switch (bits(low, 31, 0)) {
	case CMD_TLBI_NH_VA:
		return smmu_tag_find(
			smmu, smmu_tag_id(WORLD_EL1, vmid, (uint16_t)bits(low, 63, 48), false));
	case CMD_TLBI_S2_IPA:
		return smmu->ipa ? 0
				 : smmu_tag_find(smmu, smmu_tag_id(WORLD_EL1_IPA, vmid, 0, false));
	default:
		return 0;
	}
}

bool smmu_tlbi_page(struct smmu *smmu, const struct native_command *command,
		    struct inval_report *report)
{
	iova_t va = command->words[1];
	bool upper = bit(va, 55) && bits(command->words[0], 7, 0) == CMD_TLBI_NH_VA, checked, told;
	struct tlb_place place;
	struct tlb_way *way;
	struct tlb_at at;
	uint32_t tag;
	uint64_t name;

	if (!smmu->removes_pages || smmu->any_global || smmu->n_tags == SMMU_TAGS_MAX ||
	    smmu->tlb->only_lg2 != 12)
		return false;
	tag = tag_of_page(smmu, command);
	if (!tag)
		return false;
	smmu->count.commands++;
	smmu->count.invalidations++;
	place = smmu_page_place(smmu, tag, smmu_key(va, upper));
	way = tlb_peek(smmu->tlb, &place);
	if (!way) {
		*report = (struct inval_report){ 0 };
		return true;
	}
	at = tlb_at_way(way);
	checked = smmu_checked(smmu, smmu->tlb, &at);
	told = smmu_copy_told(&at);
	name = copy_name(STRUCTURE_TLB, 0, way->copy.serial);
	*report = (struct inval_report){ .removed = 1, .agreed = !checked, .stale = checked };
	tlb_remove(smmu->tlb, place.head, way, 12);
	if (told)
		smmu->observer->copy_closes(smmu->observer->self, name);
	return true;
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
