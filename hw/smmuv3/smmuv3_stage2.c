/* Stage 2: IPA to PA, for the input itself or for what a stage-1 walk or a CD fetch reads. */
#include "hw/smmuv3/smmuv3_perm.h"

enum { MEMATTR_NORMAL = 0xc };

static bool fails(struct smmu_walker *walker, uint16_t event, uint64_t ipa, enum fault_class class,
		  unsigned level, unsigned need)
{
	walker->fault = (struct smmu_fault){
		.event = event,
		.s2 = true,
		.class = (uint8_t) class,
		.level = (int8_t)arm_manual_level(level),
		.ipa = ipa & ~0xfffull,
		.fetch = event == F_WALK_EABT ? walker->report.word : 0,
		.write_failed = class == CLASS_TT && (need & TLB_WRITE),
	};
	return false;
}

/* Access flag, memory type, permission, and what hardware writes back (steps 19 to 21). */
static bool leaf(struct smmu_walker *walker, const struct smmu_table *at, pa_t word, uint64_t raw,
		 unsigned need, enum fault_class class, struct smmu_stage2 *out)
{
	const struct smmu_ste *ste = &walker->context->ste;
	uint64_t now = raw, ipa = at->in;
	unsigned allowed;

	if (!bit(raw, ARM_AF) && ste->s2ha)
		now |= 1ull << ARM_AF;
	else if (!bit(raw, ARM_AF) && !ste->s2affd)
		return fails(walker, F_ACCESS, ipa, class, at->level, need);
	out->device = !(bits(raw, 5, 2) & MEMATTR_NORMAL);
	if (class != CLASS_IN && ste->s2ptw && out->device)
		return fails(walker, F_PERMISSION, ipa, class, at->level, need);
	out->perm = smmu_stage2_perm(walker->smmu, ste, raw);
	allowed = smmu_allowed(out->perm, walker->privileged);
	if ((need & ~allowed) || !allowed)
		return fails(walker, F_PERMISSION, ipa, class, at->level, need);
	if ((need & TLB_WRITE) && (out->perm & COPY_CLEAN)) {
		now |= 1ull << ARM_AP2;
		out->perm = (out->perm & ~COPY_CLEAN) | TLB_WRITE | TLB_WRITE << PRIVILEGED_SHIFT;
	}
	if (now != raw)
		smmu_descriptor_store(walker, 2, word, raw, now);
	return true;
}

/* A root of several frames: those that are walked through are watched. */
static void watch_root(struct smmu_walker *walker, const struct smmu_table *at, pa_t word)
{
	pa_t frames = (word >> FRAME_LG2) - (at->table >> FRAME_LG2);

	if (walker->cached && at->level == at->half->top && frames)
		smmu_watch_root(walker->smmu, at->half, (unsigned)frames);
}

bool smmu_stage2(struct smmu_walker *walker, uint64_t ipa, unsigned need, enum fault_class class,
		 struct smmu_stage2 *out)
{
	const struct smmu_half *half = &walker->context->ste.s2;
	struct smmu_table at = {
		.half = half, .stage = 2, .tag = walker->context->tag2, .key = ipa, .in = ipa
	};
	struct pt_entry entry;
	uint16_t event;
	uint64_t raw;
	pa_t word;

	*out = (struct smmu_stage2){ 0 };
	if (ipa & ~low_mask(half->input_bits))
		return fails(walker, F_TRANSLATION, ipa, class, 3, need);
	if (smmu_ipa_answers(walker, ipa, need, class, out))
		return !walker->fault.event;
	smmu_table_start(walker, &at);
	if (smmu_table_stops(walker, &at))
		return false;
	for (;;) {
		word = smmu_table_word(&at);
		watch_root(walker, &at, word);
		if (!smmu_table_read(walker, &at, word, &raw, &entry, &event))
			return fails(walker, event, ipa, class, at.level, need);
		if (entry.kind == PT_LEAF)
			break;
		if (!smmu_table_next(walker, &at, entry.addr, UINT64_MAX))
			return false;
	}
	if (!leaf(walker, &at, word, raw, need, class, out))
		return false;
	if (class == CLASS_IN)
		walker->s2_level = (int8_t)arm_manual_level(at.level);
	out->level = (uint8_t)at.level;
	out->pa = entry.addr | (ipa & page_mask(entry.page_lg2));
	out->page_lg2 = entry.page_lg2;
	out->span_lg2 = (uint8_t)smmu_table_run(walker, &at, word, raw, &out->run_bad);
	if (!out->span_lg2)
		out->span_lg2 = out->page_lg2;
	out->uncacheable = at.level && bit(raw, ARM_NT) && walker->smmu->config.bbml == 1;
	smmu_ipa_keep(walker, ipa, out);
	return true;
}
