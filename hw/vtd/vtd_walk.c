/* From a request to its answer: specification 3.6, 3.7 and the fault conditions of 7.1. */
#include "hw/vtd/vtd_private.h"

enum { INTERRUPT_PAGE_LG2 = 20, INTERRUPT_PAGE = 0xfee };

static bool in_interrupt_range(uint64_t address)
{
	return address >> INTERRUPT_PAGE_LG2 == INTERRUPT_PAGE;
}

/* The requester's view of a fault (sheet 2.4): a posted write is dropped, a read completes
 * with Unsupported Request. */
void vtd_refuse(const struct dma_request *request, unsigned reason, struct dma_result *result)
{
	bool posted = (request->access & ACCESS_WRITE) && !(request->access & ACCESS_READ);

	*result = (struct dma_result){ .pa = NO_PA,
				       .outcome = OUTCOME_FAULT,
				       .sees = posted ? SEES_DROPPED : SEES_UNSUPPORTED,
				       .fault = (uint16_t)reason };
}

static void pass(const struct dma_request *request, struct dma_result *result)
{
	*result = (struct dma_result){ .pa = request->iova,
				       .outcome = OUTCOME_OK,
				       .perm = TLB_READ | TLB_WRITE,
				       .page_lg2 = 12 };
}

/*
 * Everything that decides before second-stage tables are read: interrupt range (2.1), the
 * context's own fault, request type, pass-through, width. True: *result is the answer.
 */
bool vtd_before_translation(const struct vtd *vtd, const struct dma_request *request,
			    const struct vtd_context *context, struct dma_result *result)
{
	(void)vtd;
	if (context->fault) {
		vtd_refuse(request, context->fault, result);
		return true;
	}
	if (request->type != DMA_UNTRANSLATED) {
		vtd_refuse(request, VTD_REQUEST_BLOCKED, result);
		return true;
	}
	if (request->iova > context->last) {
		vtd_refuse(request, VTD_ADDRESS_TOO_WIDE, result);
		return true;
	}
	if (context->translation_type == 2) {
		pass(request, result);
		return true;
	}
	return false;
}

/* The reason for what a walk found, or the result it gives (steps 12 to 17). */
void vtd_walk_result(const struct vtd *vtd, const struct dma_request *request,
		     const struct pt_walk *walk, unsigned top, struct dma_result *result)
{
	unsigned denied = (request->access & ACCESS_WRITE) ? VTD_WRITE_DENIED : VTD_READ_DENIED;
	unsigned missing = request->access & ~(unsigned)walk->perm;
	pa_t pa;

	if (walk->status == PT_UNREADABLE) {
		vtd_refuse(request, walk->level == top ? VTD_CONTEXT_INVALID : VTD_ENTRY_UNREADABLE,
			   result);
		return;
	}
	if (walk->status == PT_RESERVED) {
		vtd_refuse(request, VTD_ENTRY_RESERVED, result);
		return;
	}
	if (walk->status == PT_NOT_PRESENT) {
		vtd_refuse(request, denied, result);
		return;
	}
	/* CAP.ZLR: a zero-length read needs W or R only. */
	if (request->len == 0 && vtd->config.zero_length_read && (walk->perm & TLB_WRITE))
		missing &= ~(unsigned)ACCESS_READ;
	if (missing || !walk->perm) {
		vtd_refuse(request, (missing & ACCESS_WRITE) ? VTD_WRITE_DENIED : VTD_READ_DENIED,
			   result);
		return;
	}
	pa = walk->pa | (request->iova & low_mask(walk->page_lg2));
	if (in_interrupt_range(pa)) {
		vtd_refuse(request, VTD_INTERRUPT_RANGE, result);
		return;
	}
	*result = (struct dma_result){ .pa = pa,
				       .outcome = OUTCOME_OK,
				       .perm = walk->perm,
				       .flags = walk->flags,
				       .page_lg2 = walk->page_lg2 };
}

void vtd_truth(const struct vtd *vtd, const struct dma_request *request, struct vtd_answer *answer)
{
	struct vtd_context *context = &answer->context;
	struct pt_root root;

	answer->walked = false;
	vtd_context_read(vtd, vtd->devices[request->device].sid, context);
	if (vtd_before_translation(vtd, request, context, &answer->result))
		return;
	root = (struct pt_root){ .table = context->root,
				 .frame = context->frame,
				 .level = context->top,
				 .perm = TLB_PERM,
				 .reserved = vtd->reserved };
	vtd_ss_walk(vtd->memory, &root, request->iova, &answer->walk);
	answer->walked = true;
	vtd_walk_result(vtd, request, &answer->walk, context->top, &answer->result);
}
