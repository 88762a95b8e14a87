/*
 * A request that the loop (smmuv3_loop.c) leaves aside, page by page: configuration, TLB, walk, comparison
 * with truth, events.
 */
#include "hw/smmuv3/smmuv3_private.h"

static void note_detail(struct smmu *smmu, const struct smmu_walker *walker,
			const struct smmu_context *context, const struct smmu_fault *fault)
{
	struct smmuv3_detail *detail = &smmu->detail;

	detail->fault_level = fault->event ? fault->level : -1;
	detail->fault_s2 = fault->s2;
	detail->ipa = fault->ipa;
	detail->s1_level = fault->event ? -1 : walker->s1_level;
	detail->s2_level = fault->event ? -1 : walker->s2_level;
	detail->global = walker->global;
	detail->contiguous_lg2 = walker->contiguous_lg2;
	detail->asid = context->asid;
	detail->vmid = context->ste.vmid;
	detail->tagged_vmid =
		(context->stage1 || context->stage2) && context->ste.world == WORLD_EL1;
	detail->tagged_asid = context->stage1 && context->ste.world != WORLD_EL2;
}

/* A copy that covers the input: the context's own, or a global one. */
static uint64_t lookup(const struct smmu *smmu, const struct smmu_context *context, iova_t key,
		       struct tlb_hit *hit)
{
	uint64_t data = tlb_lookup(smmu->tlb, 12, context->tag, key, hit);

	if (!data && smmu->any_global && context->global_tag != context->tag)
		data = tlb_lookup(smmu->tlb, 12, context->global_tag, key, hit);
	return data;
}

static void miss(struct smmu *smmu, struct smmu_walker *walker, struct smmu_context *context,
		 bool cached_context, struct dma_result *result)
{
	bool config = smmu_context_checked(smmu, context);
	const struct memory_view *view = smmu->memory->view;

	smmu->count.misses++;
	smmu_walk(walker);
	smmu_walk_result(walker, result);
	if (unlikely(walker->blamed || walker->freed || config || memory_view_met(view))) {
		struct smmu_path path = { .context = context,
					  .cached_context = cached_context,
					  .tlb = walker->blamed,
					  .at = walker->blamed_at,
					  .any = walker->blamed != NULL,
					  .key = walker->blamed_key,
					  .freed = walker->freed,
					  .freed_word = walker->freed_word };
		uint64_t changed = memory_view_met(view) ? view->met.event
				   : path.any		 ? *path.at.changed
							 : context->changed;
		struct smmu_answer truth;

		smmu_compare(smmu, walker->request, &path, result, &truth);
		smmu_fill_walk(smmu, walker, context, true, changed, &truth);
	} else {
		smmu_fill_walk(smmu, walker, context, false, NO_EVENT, NULL);
	}
}

/* What the copy says for this access. */
static void hit_result(struct smmu *smmu, struct smmu_walker *walker, const struct tlb_at *at,
		       struct dma_result *result)
{
	uint64_t data = *at->data;
	unsigned allowed = smmu_allowed(data, walker->privileged);
	bool stage2 = !(data & COPY_STAGE1) || ((data & COPY_STAGE2) && !walker->context->stage1);

	walker->pa = bits_at(data, 51, 12) | (walker->key & page_mask(at->copy->page_lg2));
	walker->data = data;
	walker->page_lg2 = at->copy->page_lg2;
	walker->global = smmu->tags[tlb_tag_of(smmu->tlb, at)].global;
	if (data & COPY_STAGE1)
		walker->s1_level = (int8_t)arm_manual_level((unsigned)bits(data, 53, 52));
	if (data & COPY_STAGE2)
		walker->s2_level = (int8_t)arm_manual_level((unsigned)bits(data, 55, 54));
	if (!walker->fault.event && ((walker->need & ~allowed) || !allowed))
		walker->fault = (struct smmu_fault){
			.event = F_PERMISSION,
			.s2 = stage2,
			.class = CLASS_IN,
			.level = stage2 ? walker->s2_level : walker->s1_level,
			.ipa = stage2 ? walker->request->iova & ~0xfffull : 0,
		};
	smmu_walk_result(walker, result);
	result->cached = 1;
}

/*
 * A combined copy does not say which stage refuses, and a write to a clean page has to be made
 * dirty in memory: both take a walk.
 */
static bool needs_walk(const struct smmu_walker *walker, uint64_t data)
{
	unsigned allowed = smmu_allowed(data, walker->privileged);

	if ((walker->need & TLB_WRITE) && !(walker->need & ~allowed) &&
	    smmu_clean(data, walker->privileged))
		return true;
	return (data & COPY_STAGE1) && (data & COPY_STAGE2) && (walker->need & ~allowed);
}

static void hit_or_miss(struct smmu *smmu, struct smmu_walker *walker, struct smmu_context *context,
			bool cached, struct dma_result *result)
{
	struct smmu_path path = { .context = context, .cached_context = cached };
	struct smmu_answer truth;
	struct tlb_hit hit;
	uint64_t data = lookup(smmu, context, walker->key, &hit);

	if (!data || needs_walk(walker, data)) {
		walker->found = data != 0;
		miss(smmu, walker, context, cached, result);
		return;
	}
	smmu->count.hits++;
	path.tlb = smmu->tlb;
	path.at = tlb_at_way(hit.way);
	path.any = true;
	path.key = walker->key;
	if (!smmu_checked(smmu, path.tlb, &path.at) && !smmu_context_checked(smmu, context) &&
	    !memory_view_met(smmu->memory->view)) {
		hit_result(smmu, walker, &path.at, result);
		return;
	}
	if ((path.at.copy->reasons & CHECK_OVERLAP) || smmu->any_global)
		smmu_choose_match(walker, smmu->tlb, walker->key, &path.at);
	hit_result(smmu, walker, &path.at, result);
	smmu_compare(smmu, walker->request, &path, result, &truth);
}

bool smmu_translate_page(struct smmu *smmu, const struct dma_request *request,
			 struct smmu_context **context, struct smmu_context *scratch,
			 struct smmu_fault *fault, struct dma_result *result)
{
	struct smmu_walker walker;
	enum smmu_start start;
	bool cached;

	memory_view_forget(smmu->memory->view);
	*context = smmu_context_find(smmu, request, scratch);
	cached = *context != scratch;
	smmu_walker_init(smmu, &walker, request, true);
	start = smmu_begin(&walker, *context);
	if (start == START_WALK) {
		hit_or_miss(smmu, &walker, *context, cached, result);
	} else {
		smmu_start_result(&walker, start, result);
		if ((cached && smmu_context_checked(smmu, *context)) ||
		    memory_view_met(smmu->memory->view)) {
			struct smmu_path path = { .context = *context, .cached_context = cached };
			struct smmu_answer truth;

			smmu_compare(smmu, request, &path, result, &truth);
		}
	}
	*fault = walker.fault;
	note_detail(smmu, &walker, *context, fault);
	return !fault->event;
}

/* One event, or one for each piece that the access is tried again in. */
static void raise_events(struct smmu *smmu, const struct dma_request *request,
			 const struct smmu_context *context, const struct smmu_fault *fault,
			 struct dma_result *result)
{
	struct dma_request piece = *request;
	uint32_t step = (uint32_t)smmu->config.retry_bytes, left = request->len;

	while (step && left > step) {
		piece.len = step - (uint32_t)(piece.iova % step);
		smmu_event(smmu, &piece, context, fault, result);
		piece.iova += piece.len;
		left -= piece.len;
	}
	piece.len = left;
	smmu_event(smmu, &piece, context, fault, result);
}

void smmu_serve_page(struct smmu *smmu, const struct dma_request *request,
		     struct dma_result *result)
{
	struct smmu_context scratch, *context;
	struct smmu_fault fault;

	if (smmu_through_atc(smmu, request, result))
		return;
	if (request->type == DMA_TRANSLATION_REQUEST)
		smmu_ats_request(smmu, request, result);
	else if (request->type == DMA_TRANSLATED)
		smmu_ats_translated(smmu, request, result);
	else if (!smmu->enabled)
		smmu_disabled_result(smmu, request, result);
	else if (!smmu_translate_page(smmu, request, &context, &scratch, &fault, result))
		raise_events(smmu, request, context, &fault, result);
}

/* GBPA: abort, or bypass as far as the output address size (6.3.14). */
void smmu_disabled_result(const struct smmu *smmu, const struct dma_request *request,
			  struct dma_result *result)
{
	if (bit(smmu->gbpa, 20) || (request->iova & ~low_mask((unsigned)smmu->config.oas)))
		*result = (struct dma_result){ .pa = NO_PA,
					       .outcome = OUTCOME_FAULT,
					       .sees = SEES_ABORT,
					       .fault = SMMUV3_SILENT_ABORT };
	else
		*result = (struct dma_result){ .pa = request->iova,
					       .perm = TLB_READ | TLB_WRITE,
					       .page_lg2 = 12 };
}

void smmu_truth_result(struct iommu *iommu, const struct dma_request *request,
		       struct dma_result *result)
{
	struct smmu *smmu = smmu_of(iommu);
	struct smmu_answer answer;

	if (smmu_ats_truth(smmu, request, result))
		return;
	if (!smmu->enabled) {
		smmu_disabled_result(smmu, request, result);
		return;
	}
	smmu_truth(smmu, request, &answer);
	*result = answer.result;
}

const struct smmuv3_detail *smmuv3_detail(const struct iommu *iommu)
{
	struct smmu *smmu = (struct smmu *)iommu;

	if (smmu->detail_due) { /* what the loop serves equals truth */
		struct smmu_answer answer;

		smmu_truth(smmu, &smmu->last, &answer);
		note_detail(smmu, &answer.walker, &answer.context, &answer.walker.fault);
		smmu->detail_due = false;
	}
	return &smmu->detail;
}
