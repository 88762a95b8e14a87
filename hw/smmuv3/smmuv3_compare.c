/* Rules R1, R3 and R4: a request whose copies are in doubt is compared with truth. */
#include <string.h>

#include "hw/smmuv3/smmuv3_private.h"

void smmu_walk_result(const struct smmu_walker *walker, struct dma_result *result)
{
	const struct smmu_fault *fault = &walker->fault;

	if (fault->event) {
		*result = (struct dma_result){ .pa = NO_PA,
					       .outcome = OUTCOME_FAULT,
					       .sees = SEES_ABORT,
					       .fault = fault->event };
		return;
	}
	*result = (struct dma_result){
		.pa = walker->pa,
		.perm = (uint8_t)smmu_allowed(walker->data, walker->privileged),
		.page_lg2 = walker->page_lg2,
	};
}

void smmu_start_result(const struct smmu_walker *walker, enum smmu_start start,
		       struct dma_result *result)
{
	if (start == START_FAULT) {
		smmu_walk_result(walker, result);
		return;
	}
	*result = (struct dma_result){ .pa = walker->request->iova,
				       .perm = TLB_READ | TLB_WRITE,
				       .page_lg2 = 12 };
}

void smmu_truth(struct smmu *smmu, const struct dma_request *request, struct smmu_answer *answer)
{
	struct smmu_walker *walker = &answer->walker;
	uint32_t sid = smmu->devices[request->device].sid;
	struct smmu_ste ste;
	enum smmu_start start;

	smmu_ste_read(smmu, sid, false, &ste);
	smmu_walker_init(smmu, walker, request, false);
	smmu_context_read(smmu, sid, request->pasid, &ste, &answer->context, walker);
	smmu_walker_init(smmu, walker, request, false);
	start = smmu_begin(walker, &answer->context);
	answer->walked = start == START_WALK;
	if (!answer->walked) {
		smmu_start_result(walker, start, &answer->result);
		return;
	}
	smmu_walk(walker);
	smmu_walk_result(walker, &answer->result);
}

enum verdict smmu_judge(const struct dma_result *served, const struct dma_result *truth,
			unsigned reasons)
{
	bool ok = dma_granted(served);

	if (ok && (!dma_granted(truth) || served->pa != truth->pa))
		return VERDICT_STALE_USE;
	if (!ok && dma_granted(truth))
		return VERDICT_STALE_REFUSAL;
	/* R1: benign needs an update that had set the bit, and an access that was served. */
	return (reasons & (CHECK_UPDATE | CHECK_SOURCE)) && ok ? VERDICT_BENIGN : VERDICT_FRESH;
}

/* The uncached walk of an input of the copy's own, in truth's configuration. */
static bool walk_again(struct smmu *smmu, const struct smmu_answer *truth, iova_t iova,
		       const struct smmu_context *context, struct dma_request *request,
		       struct smmu_walker *walker)
{
	*request = *truth->walker.request;
	request->iova = iova;
	request->access = 0; /* whatever is allowed: permissions are compared, not checked */
	smmu_walker_init(smmu, walker, request, false);
	return smmu_begin(walker, context) == START_WALK;
}

/* The same part of a larger page is the same, whatever the level of its leaf is now. */
static bool translation_true(struct smmu *smmu, const struct tlb_at *at,
			     const struct smmu_answer *truth)
{
	const struct smmu_context *context = &truth->context;
	iova_t first = tlb_first(smmu->tlb, at);
	struct dma_request request;
	struct smmu_walker walker;

	if (!walk_again(smmu, truth, smmu_unkey(first), context, &request, &walker))
		return false;
	smmu_walk(&walker);
	return !walker.fault.event && !walker.run_bad && walker.span_lg2 >= at->copy->page_lg2 &&
	       walker.key == first && walker.half->space == at->copy->space &&
	       tlb_tag_of(smmu->tlb, at) == (walker.global ? context->global_tag : context->tag) &&
	       walker.pa == bits_at(*at->data, 51, 12) &&
	       !((walker.data ^ *at->data) & (COPY_ATTRIBUTES | COPY_STAGE1 | COPY_STAGE2));
}

static bool pointer_true(struct smmu *smmu, const struct tlb *tlb, const struct tlb_at *at,
			 const struct smmu_answer *truth)
{
	const struct smmu_context *context = &truth->context;
	iova_t first = tlb_first(tlb, at);
	struct dma_request request;
	struct smmu_walker walker;
	struct smmu_stage2 out;
	unsigned stage, level;

	smmu_structure_kind(smmu, tlb, &stage, &level);
	request = *truth->walker.request;
	smmu_walker_init(smmu, &walker, &request, false);
	if (stage == 1) {
		if (!context->stage1 || tlb_tag_of(tlb, at) != context->tag ||
		    !walk_again(smmu, truth, smmu_unkey(first), context, &request, &walker) ||
		    walker.half->space != at->copy->space)
			return false;
	} else if (!context->stage2 || tlb_tag_of(tlb, at) != context->tag2 ||
		   context->ste.s2.space != at->copy->space) {
		return false;
	}
	walker.stop_stage = (uint8_t)stage;
	walker.stop_level = (uint8_t)level;
	walker.context = context;
	if (stage == 1)
		smmu_walk(&walker);
	else
		smmu_stage2(&walker, first, 0, CLASS_TT, &out);
	return walker.stopped && walker.table == bits_at(*at->data, 51, 12) &&
	       walker.table_perm == (*at->data & COPY_ATTRIBUTES);
}

bool smmu_copy_true(struct smmu *smmu, const struct tlb *tlb, const struct tlb_at *at,
		    const struct smmu_answer *truth)
{
	if (truth->context.fault.event)
		return false;
	if (tlb == smmu->tlb)
		return translation_true(smmu, at, truth);
	return tlb == smmu->ipa ? smmu_ipa_true(smmu, at, truth)
				: pointer_true(smmu, tlb, at, truth);
}

bool smmu_context_true(const struct smmu_context *context, const struct smmu_context *truth)
{
	return !truth->fault.event == !context->fault.event &&
	       !memcmp(context->ste.words, truth->ste.words, sizeof context->ste.words) &&
	       !memcmp(context->cd, truth->cd, sizeof context->cd);
}

/* Else of pointers to tables. */
static bool of_translations(const struct smmu *smmu, const struct tlb *tlb)
{
	return tlb == smmu->tlb || tlb == smmu->ipa;
}

/* Clears the bit of a copy that is proven to equal truth as a whole. */
static void prove(struct smmu *smmu, const struct smmu_path *path, const struct smmu_answer *truth)
{
	const struct tlb_at *at = &path->at;

	if (path->cached_context && smmu_context_checked(smmu, path->context) &&
	    smmu_context_true(path->context, &truth->context))
		smmu_context_proven(smmu, path->context);
	if (!path->any || smmu->tags[tlb_tag_of(path->tlb, at)].conflicted ||
	    !smmu_copy_true(smmu, path->tlb, at, truth))
		return;
	if (path->tlb == smmu->tlb)
		at->copy->generation =
			smmu_vmid_generation(smmu, smmu->tags[tlb_tag_of(path->tlb, at)].vmid);
	if (of_translations(smmu, path->tlb) &&
	    smmu_others(smmu, path->tlb, at, tlb_first(path->tlb, at), tlb_last(path->tlb, at),
			NULL))
		return;
	smmu_copy_closes(smmu, path->tlb, at);
	*at->data &= ~(uint64_t)TLB_CHECK;
	at->copy->reasons = 0;
}

/* The first copy on the way that is in doubt is the one to blame. */
static unsigned blame(const struct smmu *smmu, const struct smmu_path *path,
		      struct cached_copy *copy)
{
	if (path->any && smmu_checked(smmu, path->tlb, &path->at)) {
		smmu_copy_of(smmu, path->tlb, &path->at, copy);
		if (!copy->reasons)
			copy->reasons = CHECK_UPDATE; /* by its generation (rules R4) */
	} else {
		smmu_context_copy(smmu, path->context, copy);
	}
	return copy->reasons;
}

void smmu_compare(struct smmu *smmu, const struct dma_request *request,
		  const struct smmu_path *path, const struct dma_result *served,
		  struct smmu_answer *truth)
{
	struct cached_copy copy;
	struct checked_use use = { .event = smmu->iommu.event,
				   .request = request,
				   .copy = &copy,
				   .served = *served,
				   .matches = 1 };
	unsigned reasons = blame(smmu, path, &copy);
	struct tlb_at other;

	smmu->count.compared++;
	smmu_truth(smmu, request, truth);
	use.truth = truth->result;
	use.walk = truth->walked ? &truth->walker.report : NULL;
	use.verdict = smmu_judge(served, &truth->result, reasons);
	if (path->any && of_translations(smmu, path->tlb)) {
		uint32_t beyond = path->tlb == smmu->tlb && request->len ? request->len - 1 : 0;

		use.matches += smmu_others(smmu, path->tlb, &path->at, path->key,
					   path->key + beyond, &other);
		if (use.matches > 1)
			smmu_copy_of(smmu, path->tlb, &other, &use.other);
	}
	if (path->freed) {
		use.page_freed_table = true;
		use.table_word = path->freed_word;
		use.table_freed = path->freed - 1;
	}
	if (memory_view_met(smmu->memory->view))
		use.behind = &smmu->memory->view->met; /* stays as it is until another is met */
	smmu->asking.checked = true;
	smmu->asking.copy = copy;
	smmu->asking.use = use;
	if (!smmu->asking.on) /* else it is told of the request that an ATC asks for */
		smmu->observer->used(smmu->observer->self, &use);
	memory_view_forget(smmu->memory->view);
	prove(smmu, path, truth);
}
