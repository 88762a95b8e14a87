/* Stage 1: VA to PA, or to the IPA that stage 2 takes on. */
#include "hw/smmuv3/smmuv3_perm.h"

enum { P = PRIVILEGED_SHIFT };

static bool fails(struct smmu_walker *walker, uint16_t event, unsigned level)
{
	walker->fault = (struct smmu_fault){
		.event = event,
		.class = event == F_WALK_EABT ? CLASS_TT : CLASS_IN,
		.level = (int8_t)arm_manual_level(level),
		.fetch = event == F_WALK_EABT ? walker->report.word : 0,
	};
	return false;
}

/* A word of a stage-1 table: its PA, through stage 2 where there is one. */
static bool word_pa(struct smmu_walker *walker, pa_t word, unsigned need, pa_t *pa)
{
	struct smmu_stage2 out;

	*pa = word;
	if (!walker->context->stage2)
		return true;
	if (!smmu_stage2(walker, word, need, CLASS_TT, &out))
		return false;
	*pa = out.pa;
	if (walker->cached)
		smmu_watch_nested(walker->smmu, out.pa, walker->context->ste.vmid);
	return true;
}

/* Access flag, then permission, then what hardware writes back (step 16). */
static bool leaf(struct smmu_walker *walker, const struct smmu_table *at, pa_t word, pa_t pa,
		 uint64_t raw)
{
	const struct smmu_context *context = walker->context;
	uint64_t now = raw, perm = smmu_leaf_perm(context, raw, at->perm);
	unsigned allowed = smmu_allowed(perm, walker->privileged);

	if (!bit(raw, ARM_AF) && context->ha)
		now |= 1ull << ARM_AF;
	else if (!bit(raw, ARM_AF) && !context->affd)
		return fails(walker, F_ACCESS, at->level);
	walker->data = perm | COPY_STAGE1 | (uint64_t)at->level << LEVEL1_SHIFT;
	if ((walker->need & ~allowed) || !allowed)
		return fails(walker, F_PERMISSION, at->level);
	if ((walker->need & TLB_WRITE) && smmu_clean(perm, walker->privileged)) {
		now &= ~(1ull << ARM_AP2);
		if (bit(perm, CLEAN_SHIFT))
			walker->data |= TLB_WRITE;
		if (bit(perm, CLEAN_SHIFT + 1))
			walker->data |= TLB_WRITE << P;
		walker->data &= ~COPY_CLEAN;
	}
	if (now == raw)
		return true;
	if (!word_pa(walker, word, TLB_WRITE, &pa)) /* the update is a write to stage 2 */
		return false;
	smmu_descriptor_store(walker, 1, pa, raw, now);
	return true;
}

/* Stage 2 of the leaf's output: the copy is of the smaller size and grants what both do. */
static bool combine(struct smmu_walker *walker)
{
	uint64_t s1 = walker->data, perm, clean;
	struct smmu_stage2 out;

	if (!smmu_stage2(walker, walker->pa, walker->need, CLASS_IN, &out))
		return false;
	walker->pa = out.pa;
	if (out.page_lg2 < walker->page_lg2)
		walker->page_lg2 = out.page_lg2;
	if (out.span_lg2 < walker->span_lg2)
		walker->span_lg2 = out.span_lg2;
	walker->run_bad |= out.run_bad;
	walker->uncacheable |= out.uncacheable;
	/* Writable where both stages are; clean where either still has to be made dirty. */
	perm = s1 & out.perm & COPY_ATTRIBUTES & ~COPY_CLEAN;
	clean = 0;
	for (unsigned privileged = 0; privileged < 2; privileged++) {
		uint64_t write = (uint64_t)TLB_WRITE << (privileged ? P : 0);

		if ((smmu_allowed(s1, privileged) & smmu_allowed(out.perm, privileged) &
		     TLB_WRITE) &&
		    !(perm & write))
			clean |= 1ull << (CLEAN_SHIFT + privileged);
	}
	walker->data = (s1 & ~COPY_ATTRIBUTES) | perm | clean | COPY_STAGE2 |
		       (uint64_t)out.level << LEVEL2_SHIFT;
	return true;
}

/* A root of several frames: those that are walked through are watched. */
static void watch_root(struct smmu_walker *walker, const struct smmu_table *at, pa_t word)
{
	pa_t frames = (word >> FRAME_LG2) - (at->table >> FRAME_LG2);

	if (walker->cached && !walker->context->stage2 && at->level == at->half->top && frames)
		smmu_watch_root(walker->smmu, at->half, (unsigned)frames);
}

void smmu_stage1(struct smmu_walker *walker)
{
	const struct smmu_context *context = walker->context;
	const struct smmu_half *half = walker->half;
	struct smmu_table at = { .half = half,
				 .stage = 1,
				 .tag = context->tag,
				 .key = walker->key,
				 .in = walker->request->iova & low_mask(half->input_bits) };
	struct pt_entry entry;
	uint16_t event;
	uint64_t raw;
	pa_t word, pa;

	smmu_table_start(walker, &at);
	if (smmu_table_stops(walker, &at))
		return;
	for (;;) {
		word = smmu_table_word(&at);
		if (!word_pa(walker, word, TLB_READ, &pa))
			return;
		watch_root(walker, &at, word);
		if (!smmu_table_read(walker, &at, pa, &raw, &entry, &event)) {
			fails(walker, event, at.level);
			return;
		}
		if (entry.kind == PT_LEAF)
			break;
		if (!smmu_table_next(walker, &at, entry.addr, smmu_table_perm(context, half, raw)))
			return;
	}
	if (!leaf(walker, &at, word, pa, raw))
		return;
	walker->s1_level = (int8_t)arm_manual_level(at.level);
	walker->global = !bit(raw, ARM_NG);
	walker->pa = entry.addr | (at.in & page_mask(entry.page_lg2));
	walker->page_lg2 = entry.page_lg2;
	walker->span_lg2 = (uint8_t)smmu_table_run(walker, &at, pa, raw, &walker->run_bad);
	walker->contiguous_lg2 = walker->span_lg2;
	if (!walker->span_lg2)
		walker->span_lg2 = walker->page_lg2;
	walker->uncacheable = at.level && bit(raw, ARM_NT) && walker->smmu->config.bbml == 1;
	if (context->stage2)
		combine(walker);
}
