/*
 * The IPA cache: what stage 2 answered to nested walks, for the IPA of a leaf, of a stage-1 table or of a
 * CD. A copy is tagged by its VMID alone and found by IPA (3.17: entries of stage 2 only), so it goes by
 * TLBI_S2_IPA, S12_VMALL and NSNH_ALL and stays through what names stage 1: NH_ALL, NH_ASID, NH_VA (4.4).
 * The combined copies of the main TLB are the other way round, which is why both have to be told.
 */
#include "hw/smmuv3/smmuv3_private.h"

enum { LARGEST_LG2 = 34 };

static bool in_use(const struct smmu_walker *walker)
{
	return walker->smmu->ipa && walker->cached && walker->context->ste.stage1;
}

/* What the copy says, or the fault that it gives: a permission fault may come from a copy (4.2). */
static void take(struct smmu_walker *walker, const struct tlb_at *at, uint64_t ipa, unsigned need,
		 enum fault_class class, struct smmu_stage2 *out)
{
	unsigned allowed = smmu_allowed(*at->data, walker->privileged);

	out->pa = bits_at(*at->data, 51, 12) | (ipa & page_mask(at->copy->page_lg2));
	out->perm = *at->data & COPY_ATTRIBUTES;
	out->level = (uint8_t)bits(*at->data, LEVEL2_SHIFT + 1, LEVEL2_SHIFT);
	out->span_lg2 = at->copy->page_lg2;
	out->page_lg2 = (uint8_t)arm_span_lg2(walker->context->ste.s2.granule_lg2, out->level);
	if (out->page_lg2 > out->span_lg2)
		out->page_lg2 = out->span_lg2;
	out->device = *at->data & COPY_DEVICE;
	if (class == CLASS_IN)
		walker->s2_level = (int8_t)arm_manual_level(out->level);
	if (!walker->fault.event &&
	    ((need & ~allowed) || !allowed ||
	     (class != CLASS_IN && walker->context->ste.s2ptw && out->device)))
		walker->fault = (struct smmu_fault){
			.event = F_PERMISSION,
			.s2 = true,
			.class = (uint8_t) class,
			.level = (int8_t)arm_manual_level(out->level),
			.ipa = ipa & ~0xfffull,
			.write_failed = class == CLASS_TT && (need & TLB_WRITE),
		};
}

bool smmu_ipa_answers(struct smmu_walker *walker, uint64_t ipa, unsigned need,
		      enum fault_class class, struct smmu_stage2 *out)
{
	struct smmu *smmu = walker->smmu;
	struct tlb_at at;
	struct tlb_hit hit;
	uint64_t data;

	if (!in_use(walker))
		return false;
	data = tlb_lookup(smmu->ipa, 12, walker->context->tag2, ipa, &hit);
	/* a write to a clean page has to make it dirty in memory: that takes a walk */
	if (!data || ((need & TLB_WRITE) && smmu_clean(data, walker->privileged)))
		return false;
	smmu->count.ipa_hits++;
	at = tlb_at_way(hit.way);
	if (data & TLB_CHECK) {
		if (at.copy->reasons & CHECK_OVERLAP)
			smmu_choose_match(walker, smmu->ipa, ipa, &at);
		smmu_walk_blames(walker, smmu->ipa, &at, ipa);
	}
	take(walker, &at, ipa, need, class, out);
	return true;
}

void smmu_ipa_keep(struct smmu_walker *walker, uint64_t ipa, const struct smmu_stage2 *out)
{
	unsigned lg2 = out->span_lg2 < LARGEST_LG2 ? out->span_lg2 : LARGEST_LG2;
	struct smmu_fill fill = {
		.tlb = walker->smmu->ipa,
		.tag = walker->context->tag2,
		.key = ipa & ~page_mask(lg2),
		.data = (out->pa & ~page_mask(lg2)) | (out->perm & COPY_ATTRIBUTES) | COPY_STAGE2 |
			(uint64_t)out->level << LEVEL2_SHIFT | (out->device ? COPY_DEVICE : 0),
		.copy = { .filled = walker->smmu->iommu.event,
			  .space = walker->context->ste.s2.space,
			  .page_lg2 = (uint8_t)lg2,
			  .reasons = out->run_bad && lg2 > out->page_lg2 && MARK(MARK_SMMU_IPA_RUN)
					     ? CHECK_RUN
					     : 0 },
	};
	uint32_t i = 0;

	if (!in_use(walker) || out->uncacheable)
		return;
	/* a page that one walk asks for twice is kept as it was found last */
	while (i < walker->n_fills &&
	       !(walker->fills[i].tlb == fill.tlb && walker->fills[i].key == fill.key &&
		 walker->fills[i].copy.page_lg2 == lg2))
		i++;
	if (i == WALK_FILLS)
		return;
	walker->fills[i] = fill;
	if (i == walker->n_fills)
		walker->n_fills++;
}

bool smmu_ipa_true(struct smmu *smmu, const struct tlb_at *at, const struct smmu_answer *truth)
{
	const struct smmu_context *context = &truth->context;
	struct dma_request request = *truth->walker.request;
	struct smmu_walker walker;
	struct smmu_stage2 out;

	if (!context->stage2 || tlb_tag_of(smmu->ipa, at) != context->tag2 ||
	    context->ste.s2.space != at->copy->space)
		return false;
	smmu_walker_init(smmu, &walker, &request, false);
	walker.context = context;
	walker.privileged = truth->walker.privileged;
	return smmu_stage2(&walker, tlb_first(smmu->ipa, at), 0, CLASS_IN, &out) && !out.run_bad &&
	       out.span_lg2 >= at->copy->page_lg2 && out.pa == bits_at(*at->data, 51, 12) &&
	       ((out.perm & COPY_ATTRIBUTES) | (out.device ? COPY_DEVICE : 0)) ==
		       (*at->data & (COPY_ATTRIBUTES | COPY_DEVICE));
}
