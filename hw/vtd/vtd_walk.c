/* From a request to its answer: specification 3.6 to 3.8 and the fault conditions of 7.1. */
#include "hw/vtd/vtd_private.h"

/* A translation request that finds nothing for it: a completion with R=W=0, not recorded. The
 * reason is for those who ask why. */
static void nothing_granted(unsigned reason, struct dma_result *result)
{
	*result = (struct dma_result){ .pa = NO_PA,
				       .outcome = OUTCOME_OK,
				       .fault = (uint16_t)reason };
}

/* The requester's view of a fault (sheet 2.4): a posted write is dropped, a read completes
 * with Unsupported Request; translation requests have answers of their own. */
void vtd_refuse(const struct dma_request *request, unsigned reason, struct dma_result *result)
{
	bool posted = (request->access & ACCESS_WRITE) && !(request->access & ACCESS_READ);
	enum device_sees sees = posted ? SEES_DROPPED : SEES_UNSUPPORTED;

	if (request->type == DMA_TRANSLATION_REQUEST) {
		switch (vtd_fault_ats((uint16_t)reason)) {
		case ATS_NOTHING:
			nothing_granted(reason, result);
			return;
		case ATS_UNSUPPORTED:
			sees = SEES_UNSUPPORTED;
			break;
		case ATS_ABORT:
			sees = SEES_ABORT;
			break;
		}
	}
	*result = (struct dma_result){ .pa = NO_PA,
				       .outcome = OUTCOME_FAULT,
				       .sees = (uint8_t)sees,
				       .fault = (uint16_t)reason };
}

/*
 * Of a page's rights what a translation request is granted: without the wish to write no W, whose dirty
 * bit was not set; without the wish to execute no right to that, which is the first stage's to refuse.
 */
static unsigned asked_for(const struct dma_request *request, const struct vtd_context *context,
			  unsigned perm)
{
	if (request->type != DMA_TRANSLATION_REQUEST)
		return perm;
	if (context->scalable && !context->input_bits)
		perm |= TLB_EXECUTE;
	if (context->stages == STAGES_FIRST && request->privileged && !context->write_protect)
		perm |= TLB_WRITE;
	return perm & (request->access | TLB_READ);
}

static void pass(const struct dma_request *request, const struct vtd_context *context,
		 struct dma_result *result)
{
	*result = (struct dma_result){ .pa = request->iova,
				       .outcome = OUTCOME_OK,
				       .perm = (uint8_t)asked_for(request, context,
								  TLB_READ | TLB_WRITE),
				       .flags = context->entry_flags,
				       .page_lg2 = 12 };
}

static bool canonical(iova_t iova, unsigned input_bits)
{
	uint64_t sign = iova >> (input_bits - 1);

	return sign == 0 || sign == low_mask(65 - input_bits);
}

/* The reason for an input address that no table of the context can translate; 0: none. */
static unsigned address_refused(const struct dma_request *request,
				const struct vtd_context *context)
{
	if (context->input_bits)
		return canonical(request->iova, context->input_bits) ? 0u : VTD_NOT_CANONICAL;
	if (request->iova <= context->last)
		return 0;
	if (context->legacy_reasons)
		return VTD_ADDRESS_TOO_WIDE;
	return context->stages == STAGES_PASS ? VTD_PASS_TOO_WIDE : VTD_SECOND_TOO_WIDE;
}

/* 2.3 step 15. */
static unsigned mode_refused(const struct dma_request *request, const struct vtd_context *context)
{
	if (!context->scalable)
		return 0;
	if ((request->access & ACCESS_EXECUTE) && !context->execute)
		return VTD_EXECUTE_DISABLED;
	return request->privileged && !context->supervisor ? VTD_SUPERVISOR_DISABLED : 0u;
}

/*
 * Everything that decides before paging tables are read: the entry's own fault, request type,
 * pass-through, address. True: *result is the answer.
 */
bool vtd_before_translation(const struct vtd *vtd, const struct dma_request *request,
			    const struct vtd_context *context, struct dma_result *result)
{
	unsigned refused = context->fault;

	(void)vtd;
	if (!refused && request->type != DMA_UNTRANSLATED && !context->device_tlb)
		refused = VTD_REQUEST_BLOCKED;
	if (!refused && request->type == DMA_TRANSLATED) {
		pass(request, context, result);
		return true;
	}
	if (!refused)
		refused = mode_refused(request, context);
	if (!refused)
		refused = address_refused(request, context);
	/* A request with a PASID is no interrupt message. */
	if (!refused && context->stages == STAGES_PASS && context->scalable &&
	    vtd_in_interrupt_range(request->iova))
		refused = VTD_SCALABLE_INTERRUPT_RANGE;
	if (refused) {
		vtd_refuse(request, refused, result);
		return true;
	}
	if (context->stages == STAGES_PASS) {
		pass(request, context, result);
		return true;
	}
	return false;
}

/* First-stage rights (steps 21, 22, 28). Read is granted by every present entry. That SMEP refuses
 * with 82h, as execute-disable does, is not in the sheet. */
unsigned vtd_first_denied(const struct dma_request *request, const struct vtd_context *context,
			  unsigned perm)
{
	bool user = perm & TLB_USER, privileged = request->privileged;

	if (!user && !privileged)
		return VTD_USER_DENIED;
	if ((request->access & ACCESS_EXECUTE) && request->type != DMA_TRANSLATION_REQUEST &&
	    (!(perm & TLB_EXECUTE) || (user && privileged && context->smep)))
		return VTD_EXECUTE_DENIED;
	if ((request->access & ACCESS_WRITE) && !(perm & TLB_WRITE) &&
	    request->type != DMA_TRANSLATION_REQUEST && (!privileged || context->write_protect))
		return VTD_SCALABLE_WRITE_DENIED;
	return 0;
}

/* The reason for which rights do not allow the request; 0: they do. */
unsigned vtd_denied(const struct vtd *vtd, const struct dma_request *request,
		    const struct vtd_context *context, unsigned perm)
{
	unsigned missing = request->access & ~perm;

	if (context->scalable) /* execute is the first stage's */
		missing &= TLB_READ | TLB_WRITE;
	/* A translation request asks what is granted. */
	if (request->type == DMA_TRANSLATION_REQUEST)
		missing = 0;
	/* CAP.ZLR: a zero-length read needs W or R only. */
	if (request->len == 0 && vtd->config.zero_length_read && (perm & TLB_WRITE))
		missing &= ~(unsigned)ACCESS_READ;
	if (context->input_bits) {
		unsigned denied = vtd_first_denied(request, context, perm);

		if (denied || context->stages == STAGES_FIRST)
			return denied;
		missing &= ~(unsigned)ACCESS_WRITE;
	}
	/* what the first stage lets through without W has none in perm */
	if (!missing && ((perm & TLB_PERM) || context->input_bits))
		return 0;
	if (context->legacy_reasons)
		return (missing & ACCESS_WRITE) ? VTD_WRITE_DENIED : VTD_READ_DENIED;
	/* R and W both lost count as not present, where the second stage alone lost them. */
	if (!(perm & (TLB_READ | TLB_WRITE)) && !context->input_bits)
		return VTD_SECOND_NOT_PRESENT;
	return (missing & ACCESS_WRITE) ? VTD_SCALABLE_WRITE_DENIED : VTD_SCALABLE_READ_DENIED;
}

static unsigned legacy_fault(const struct dma_request *request, const struct vtd_context *context,
			     const struct pt_walk *walk)
{
	switch (walk->status) {
	case PT_UNREADABLE: /* of the top table: an open point, this is its default (sheet 9) */
		return walk->level == context->top ? VTD_CONTEXT_INVALID : VTD_ENTRY_UNREADABLE;
	case PT_RESERVED:
		return VTD_ENTRY_RESERVED;
	case PT_NOT_PRESENT:
		return (request->access & ACCESS_WRITE) ? VTD_WRITE_DENIED : VTD_READ_DENIED;
	default:
		return 0;
	}
}

static unsigned scalable_fault(const struct vtd_context *context, const struct pt_walk *walk)
{
	bool first = context->input_bits, top = walk->level == context->top;

	switch (walk->status) {
	case PT_UNREADABLE:
		return first ? (top ? VTD_FIRST_TOP_UNREADABLE : VTD_FIRST_UNREADABLE)
			     : (top ? VTD_SECOND_TOP_UNREADABLE : VTD_SECOND_UNREADABLE);
	case PT_RESERVED:
		return first ? VTD_FIRST_RESERVED : VTD_SECOND_RESERVED;
	case PT_NOT_PRESENT:
		return first ? VTD_FIRST_NOT_PRESENT : VTD_SECOND_NOT_PRESENT;
	default:
		return 0;
	}
}

/* What is left to do for a page whose rights allow the request. */
void vtd_deliver(const struct vtd *vtd, const struct dma_request *request,
		 const struct vtd_context *context, const struct pt_walk *walk,
		 struct dma_result *result)
{
	pa_t pa = walk->pa | (request->iova & low_mask(walk->page_lg2));
	unsigned perm = walk->perm & TLB_PERM;

	(void)vtd;
	if (vtd_in_interrupt_range(pa)) {
		vtd_refuse(request,
			   context->scalable ? VTD_SCALABLE_INTERRUPT_RANGE : VTD_INTERRUPT_RANGE,
			   result);
		return;
	}
	if (request->privileged && context->smep && (walk->perm & TLB_USER))
		perm &= ~(unsigned)TLB_EXECUTE;
	perm = asked_for(request, context, perm);
	if (request->type == DMA_TRANSLATION_REQUEST && !(perm & (TLB_READ | TLB_WRITE))) {
		nothing_granted(0, result);
		return;
	}
	*result = (struct dma_result){ .pa = pa,
				       .outcome = OUTCOME_OK,
				       .perm = (uint8_t)perm,
				       .flags = walk->flags & TLB_SNOOP,
				       .page_lg2 = walk->page_lg2 };
}

/* The reason for what a walk of one stage found, or the result it gives (2.2 steps 12 to 17; 2.3
 * steps 19 to 22 and 24 to 30). */
void vtd_walk_result(const struct vtd *vtd, const struct dma_request *request,
		     const struct vtd_context *context, const struct pt_walk *walk,
		     struct dma_result *result)
{
	unsigned fault = context->legacy_reasons ? legacy_fault(request, context, walk)
						 : scalable_fault(context, walk);

	if (!fault)
		fault = vtd_denied(vtd, request, context, walk->perm);
	if (fault)
		vtd_refuse(request, fault, result);
	else
		vtd_deliver(vtd, request, context, walk, result);
}

void vtd_truth(const struct vtd *vtd, const struct dma_request *request, struct vtd_answer *answer)
{
	const struct vtd_context *context;
	struct pt_root root;

	answer->walked = false;
	vtd_route_read(vtd, request, &answer->route);
	context = answer->route.context;
	if (vtd_before_translation(vtd, request, context, &answer->result))
		return;
	root = vtd_top(vtd, context);
	answer->walked = true;
	vtd_walk(vtd, request, context, &root, NULL, &answer->walk, &answer->result);
}
