/* What a walk leaves in the TLB and the walk caches (rules R3 and R5). */
#include "hw/smmuv3/smmuv3_private.h"

enum { LARGEST_LG2 = 34 }; /* sizes beyond are kept in pieces: a TLB holds eight sizes */

/* Puts a copy in and tells of what went for it. */
static struct tlb_at put(struct smmu *smmu, struct tlb *tlb, const struct smmu_fill *fill)
{
	struct tlb_evicted gone;
	struct tlb_at at;
	uint64_t check = fill->copy.reasons ? TLB_CHECK : 0;

	at = tlb_fill(tlb, fill->tag, fill->key, fill->data | check, &fill->copy, NO_EVENT, &gone);
	smmu->count.evictions += gone.data != 0;
	if (gone.data & TLB_CHECK)
		smmu_copy_closes(
			smmu, tlb,
			&(struct tlb_at){ &gone.key, &gone.data, &gone.copy, &gone.changed });
	return at;
}

/* The copy that is there already, made anew in its place. */
static void renew(struct smmu *smmu, struct tlb *tlb, const struct smmu_fill *fill,
		  const struct tlb_at *at)
{
	smmu_copy_closes(smmu, tlb, at);
	*at->data = fill->data | TLB_VALID | (fill->copy.reasons ? TLB_CHECK : 0);
	tlb->has_space[fill->copy.space] = 1;
	at->copy->space = fill->copy.space;
	at->copy->filled = fill->copy.filled;
	at->copy->reasons = fill->copy.reasons;
	*at->changed = NO_EVENT;
}

/* R3: a copy made from a source in doubt carries the bit where it differs from truth. */
static void settle(struct smmu *smmu, struct tlb *tlb, const struct tlb_at *at, bool suspect,
		   uint64_t changed, const struct smmu_answer *truth)
{
	bool inherits = MARK(tlb == smmu->tlb	? MARK_SMMU_INHERIT_TRANSLATION
			     : tlb == smmu->ipa ? MARK_SMMU_INHERIT_IPA
						: MARK_SMMU_INHERIT_POINTER);

	if (suspect && inherits && !smmu_copy_true(smmu, tlb, at, truth)) {
		smmu_copy_doubt(smmu, tlb, at, CHECK_SOURCE, changed);
		return;
	}
	if (*at->data & TLB_CHECK)
		smmu_copy_opens(smmu, tlb, at);
}

/*
 * R5: both copies of an overlap get the bit, those that are there when the fill comes, whether or not one of
 * them has to go for it. renewed: the copy that is made anew, or NULL. *other: one of them.
 */
static bool meets(struct smmu *smmu, struct smmu_fill *fill, const struct tlb_at *renewed,
		  struct cached_copy *other)
{
	iova_t first = fill->key & ~page_mask(fill->copy.page_lg2);
	struct smmu_matching matching = { .tlb = fill->tlb,
					  .tag = fill->tag,
					  .first = first,
					  .last = first + page_mask(fill->copy.page_lg2),
					  .besides = renewed ? renewed->copy : NULL,
					  .mark = true };

	if (!smmu_matching(smmu, &matching))
		return false;
	smmu_copy_of(smmu, fill->tlb, &matching.one, other);
	if (MARK(MARK_SMMU_OVERLAP_FILL))
		fill->copy.reasons |= CHECK_OVERLAP;
	return true;
}

static void tell_overlap(struct smmu *smmu, const struct tlb *tlb,
			 const struct dma_request *request, const struct tlb_at *filled,
			 const struct cached_copy *other)
{
	struct cached_copy copy;

	smmu_copy_of(smmu, tlb, filled, &copy);
	smmu->observer->overlap(smmu->observer->self, smmu->iommu.event, request, &copy, other);
}

/*
 * After a lookup that found nothing: a larger copy over this page would have been a hit, so only
 * smaller ones of the tag can overlap; with global entries anything can.
 */
static bool may_overlap(const struct smmu *smmu, const struct tlb *tlb, unsigned page_lg2)
{
	if (smmu->any_global)
		return true;
	if (tlb->only_lg2)
		return tlb->only_lg2 < page_lg2;
	for (unsigned i = 0; i < tlb->n_live; i++)
		if (tlb->live_lg2[i] < page_lg2)
			return true;
	return false;
}

/* R5: the member that was walked supplied the copy, which stands for all of them. */
static void note_run(struct smmu *smmu, const struct tlb *tlb, const struct smmu_walker *walker,
		     const struct tlb_at *filled)
{
	struct run_report report = walker->run;
	struct cached_copy copy;

	smmu_copy_of(smmu, tlb, filled, &copy);
	report.event = smmu->iommu.event;
	report.request = walker->request;
	report.filled = &copy;
	smmu->observer->run_inconsistent(smmu->observer->self, &report);
}

static void fill_translation(struct smmu *smmu, struct smmu_walker *walker,
			     const struct smmu_context *context, bool suspect, uint64_t changed,
			     const struct smmu_answer *truth)
{
	unsigned lg2 = walker->span_lg2 < LARGEST_LG2 ? walker->span_lg2 : LARGEST_LG2;
	struct smmu_fill fill = {
		.tlb = smmu->tlb,
		.tag = walker->global ? context->global_tag : context->tag,
		.key = walker->key,
		.data = (walker->pa & ~page_mask(lg2)) | walker->data,
		.copy = { .filled = smmu->iommu.event,
			  .space = walker->half->space,
			  .page_lg2 = (uint8_t)lg2 },
	};
	struct cached_copy other;
	struct tlb_at at;
	bool renewed, overlaps;

	if (walker->uncacheable)
		return;
	smmu->any_global |= walker->global;
	smmu->not_plain |= walker->global || context->nested || lg2 > walker->page_lg2 ||
			   (walker->data & COPY_CLEAN);
	if (smmu->tags[fill.tag].conflicted && MARK(MARK_SMMU_TAG_FILL))
		fill.copy.reasons |= CHECK_TAG;
	if (walker->run_bad && lg2 > walker->page_lg2 && MARK(MARK_SMMU_RUN)) {
		fill.copy.reasons |= CHECK_RUN;
		smmu->count.run_inconsistent++;
	}
	/* A write through a clean copy walks again: the copy is renewed in its place. */
	renewed = tlb_at(smmu->tlb, fill.tag, fill.key, lg2, &at);
	overlaps = (walker->found || may_overlap(smmu, smmu->tlb, lg2)) &&
		   meets(smmu, &fill, renewed ? &at : NULL, &other);
	if (renewed)
		renew(smmu, smmu->tlb, &fill, &at);
	else
		at = put(smmu, smmu->tlb, &fill);
	at.copy->generation = smmu_vmid_generation(smmu, smmu->tags[fill.tag].vmid);
	settle(smmu, smmu->tlb, &at, suspect, changed, truth);
	if (fill.copy.reasons & CHECK_RUN)
		note_run(smmu, smmu->tlb, walker, &at);
	if (overlaps)
		tell_overlap(smmu, smmu->tlb, walker->request, &at, &other);
}

/* A result of stage 2, or a pointer to a table. */
static void fill_part(struct smmu *smmu, const struct smmu_walker *walker, struct smmu_fill *fill,
		      bool suspect, uint64_t changed, const struct smmu_answer *truth)
{
	bool pointer = fill->tlb != smmu->ipa, renewed, overlaps;
	struct cached_copy other;
	struct tlb_at at;

	renewed = tlb_at(fill->tlb, fill->tag, fill->key, fill->copy.page_lg2, &at);
	if (renewed && pointer)
		return; /* several stage-2 walks of one request meet the same table */
	if (smmu->tags[fill->tag].conflicted && MARK(MARK_SMMU_TAG_FILL_PART))
		fill->copy.reasons |= CHECK_TAG;
	overlaps = !pointer && meets(smmu, fill, renewed ? &at : NULL, &other);
	if (renewed)
		renew(smmu, fill->tlb, fill, &at);
	else
		at = put(smmu, fill->tlb, fill);
	settle(smmu, fill->tlb, &at, suspect, changed, truth);
	if (fill->copy.reasons & CHECK_RUN)
		note_run(smmu, fill->tlb, walker, &at);
	if (overlaps)
		tell_overlap(smmu, fill->tlb, walker->request, &at, &other);
}

void smmu_fill_walk(struct smmu *smmu, struct smmu_walker *walker,
		    const struct smmu_context *context, bool suspect, uint64_t changed,
		    const struct smmu_answer *truth)
{
	for (uint32_t i = 0; i < walker->n_fills; i++)
		fill_part(smmu, walker, &walker->fills[i], suspect, changed, truth);
	if (!walker->fault.event)
		fill_translation(smmu, walker, context, suspect, changed, truth);
}
