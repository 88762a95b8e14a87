/* ATS: translation requests, translated requests, and the endpoint's cache (IHI 0070 3.9). */
#include <stdlib.h>

#include "hw/smmuv3/smmuv3_private.h"

enum { EATS_FULL = 1, ATC_ALL = 52 };

/* Split-stage ATS is not modelled: EATS 2 counts as off, 3 (DPT) always does. */
static bool ats_on(const struct smmu *smmu, const struct smmu_ste *ste)
{
	return smmu->config.ats && ste->eats == EATS_FULL && !ste->bypass;
}

static void refuse(struct smmu *smmu, const struct dma_request *request,
		   const struct smmu_context *context, uint16_t event, uint8_t sees, bool record,
		   struct dma_result *result)
{
	struct smmu_fault fault = { .event = event, .is_config = true, .level = -1 };

	*result = (struct dma_result){
		.pa = NO_PA, .outcome = OUTCOME_FAULT, .sees = sees, .fault = event
	};
	if (record)
		smmu_event(smmu, request, context, &fault, result);
	else
		smmu->count.silent++;
	result->sees = sees;
}

/* Configuration errors of ATS traffic are recorded only with CR2.REC_CFG_ATS. */
static void refuse_config(struct smmu *smmu, const struct dma_request *request,
			  const struct smmu_context *context, uint16_t event,
			  struct dma_result *result)
{
	refuse(smmu, request, context, event, SEES_ABORT, bit(smmu->cr2, 3), result);
}

/* ---- the endpoint's cache ------------------------------------------------------------------- */

static struct tlb *atc_of(struct smmu *smmu, uint32_t device)
{
	struct tlb_geometry geometry = { .sets = 1,
					 .ways = smmu->config.atc_entries,
					 .address_bits = KEY_BITS };

	if (!smmu->devices[device].atc &&
	    tlb_create(&geometry, "smmuv3.atc", &smmu->devices[device].atc, NULL))
		abort();
	return smmu->devices[device].atc;
}

static uint64_t atc_tag(uint32_t pasid)
{
	return pasid == NO_PASID ? 0 : pasid + 1ull;
}

static void atc_put(struct smmu *smmu, const struct dma_request *request, pa_t pa, unsigned perm,
		    unsigned page_lg2, uint32_t space, bool doubt)
{
	struct tlb *atc = atc_of(smmu, request->device);
	struct tlb_copy copy = { .filled = smmu->iommu.event,
				 .space = space,
				 .reasons = doubt ? CHECK_SOURCE : 0,
				 .page_lg2 = (uint8_t)page_lg2 };
	uint64_t data = (pa & ~page_mask(page_lg2)) | perm | (doubt ? TLB_CHECK : 0);
	iova_t key = smmu_key(request->iova, bit(request->iova, 55));
	uint64_t tag = atc_tag(request->pasid);
	struct tlb_evicted gone;
	struct tlb_at at;

	if (tlb_know_space(atc, space))
		abort();
	if (tlb_at(atc, tag, key, page_lg2, &at)) {
		*at.data = data | TLB_VALID;
		at.copy->reasons = copy.reasons;
		return;
	}
	tlb_fill(atc, tag, key, data, &copy, NO_EVENT, &gone);
}

static bool remove_any(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	struct inval_report *report = ctx;

	(void)tlb;
	report->removed++;
	report->stale += (*at->data & TLB_CHECK) != 0;
	return true;
}

void smmu_atc_invalidate(struct smmu *smmu, const struct native_command *command,
			 struct inval_report *report)
{
	uint64_t low = command->words[0], high = command->words[1];
	unsigned size = (unsigned)bits(high, 5, 0);
	iova_t first = size >= ATC_ALL ? 0 : bits_at(high, 63, 12) & ~low_mask(12 + size);
	iova_t last = size >= ATC_ALL ? UINT64_MAX : first + low_mask(12 + size);
	bool substream = bit(low, 11);
	struct tlb_scope scope = { .any_tag = substream && bit(low, 9),
				   .tag = substream ? bits(low, 31, 12) + 1 : 0,
				   .first = size >= ATC_ALL ? 0 : smmu_key(first, bit(first, 55)),
				   .last = size >= ATC_ALL ? low_mask(KEY_BITS)
							   : smmu_key(last, bit(last, 55)) };

	for (uint32_t i = 0; i < smmu->n_devices; i++) {
		if (smmu->devices[i].sid != low >> 32)
			continue;
		if (smmu->devices[i].gone)
			smmu->atc_timed_out = true; /* nothing is known of its cache */
		else if (smmu->devices[i].atc)
			tlb_visit(smmu->devices[i].atc, &scope, remove_any, report);
	}
}

static bool mark_copy(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	(void)tlb;
	*at->changed = *(const uint64_t *)ctx;
	*at->data |= TLB_CHECK;
	at->copy->reasons |= CHECK_UPDATE;
	return false;
}

void smmu_atc_mark(struct smmu *smmu, const struct table_change *change)
{
	struct tlb_scope scope = { .any_tag = true,
				   .space = change->space,
				   .last = low_mask(KEY_BITS) };

	for (uint32_t i = 0; i < smmu->n_devices; i++)
		if (smmu->devices[i].atc)
			tlb_visit(smmu->devices[i].atc, &scope, mark_copy, &smmu->iommu.event);
}

void smmuv3_atc_fill(struct iommu *iommu, uint32_t device, iova_t iova, pa_t pa)
{
	struct dma_request request = { .device = device, .pasid = NO_PASID, .iova = iova };

	atc_put(smmu_of(iommu), &request, pa, TLB_READ | TLB_WRITE, 12, 0, false);
}

bool smmuv3_atc_holds(const struct iommu *iommu, uint32_t device, iova_t iova)
{
	const struct smmu *smmu = (const struct smmu *)iommu;
	struct tlb_hit hit;

	return smmu->devices[device].atc &&
	       tlb_lookup(smmu->devices[device].atc, 12, 0, smmu_key(iova, bit(iova, 55)), &hit);
}

/* ---- translation requests ----------------------------------------------------------------------- */

/* Success without permission: the endpoint asks again later, or reports. */
static void nothing_granted(struct dma_result *result)
{
	*result = (struct dma_result){ .pa = NO_PA, .page_lg2 = 12 };
}

static void translated(struct smmu *smmu, const struct dma_request *request,
		       const struct smmu_context *context, struct dma_result *result)
{
	uint32_t space = context->stage1   ? context->half[0].space
			 : context->stage2 ? context->ste.s2.space
					   : 0;
	struct dma_request plain = *request;
	struct smmu_answer truth;
	bool doubt;

	plain.type = DMA_UNTRANSLATED;
	smmu_truth(smmu, &plain, &truth);
	/* R3: what stale copies answered is stale in the endpoint's cache too. */
	doubt = truth.result.outcome != OUTCOME_OK || truth.result.pa != result->pa ||
		(result->perm & ~truth.result.perm);
	atc_put(smmu, request, result->pa, result->perm, result->page_lg2, space, doubt);
}

static bool without_permission(uint16_t event)
{
	return event >= F_TRANSLATION && event <= F_PERMISSION;
}

/* A write has to find, and make, the page dirty now: the endpoint will not ask again. */
static void make_dirty(struct smmu *smmu, struct dma_request *ask, struct smmu_context **context,
		       struct smmu_context *scratch, struct dma_result *result)
{
	struct smmu_fault fault;
	struct dma_result again;

	if (!(result->perm & TLB_WRITE))
		return;
	ask->access = ACCESS_WRITE;
	if (smmu_translate_page(smmu, ask, context, scratch, &fault, &again))
		*result = again;
}

void smmu_ats_request(struct smmu *smmu, const struct dma_request *request,
		      struct dma_result *result)
{
	struct smmu_context scratch = { 0 }, *context = &scratch;
	struct dma_request ask = *request;
	struct smmu_fault fault;

	if (!smmu->enabled) {
		refuse(smmu, request, context, F_BAD_ATS_TREQ, SEES_UNSUPPORTED, true, result);
		return;
	}
	context = smmu_context_find(smmu, request, &scratch);
	if (context->ste.fault.event) {
		refuse_config(smmu, request, context, context->ste.fault.event, result);
		return;
	}
	if (context->ste.abort || !ats_on(smmu, &context->ste)) {
		refuse(smmu, request, context,
		       context->ste.abort ? SMMUV3_SILENT_ABORT : F_BAD_ATS_TREQ, SEES_UNSUPPORTED,
		       !context->ste.abort, result);
		return;
	}
	ask.type = DMA_UNTRANSLATED;
	ask.access = 0; /* whatever is granted */
	if (!smmu_translate_page(smmu, &ask, &context, &scratch, &fault, result)) {
		if (without_permission(fault.event))
			nothing_granted(result);
		else
			refuse_config(smmu, request, context, fault.event, result);
		return;
	}
	if (request->access & ACCESS_WRITE)
		make_dirty(smmu, &ask, &context, &scratch, result);
	if (smmu->devices[request->device].ats && result->perm)
		translated(smmu, request, context, result);
}

/* ---- translated requests -------------------------------------------------------------------------- */

/* The event that refuses an address that is already translated (3.9.1.3); 0: it goes on. */
static uint16_t translated_refusal(const struct smmu *smmu, const struct smmu_ste *ste,
				   iova_t address)
{
	bool checked = bit(smmu->cr0, 4); /* ATSCHK */

	if (!smmu->enabled)
		return F_TRANSL_FORBIDDEN;
	if (checked && ste->fault.event)
		return ste->fault.event;
	if (checked && ste->abort)
		return SMMUV3_SILENT_ABORT;
	if (checked && !ats_on(smmu, ste))
		return F_TRANSL_FORBIDDEN;
	return address & ~low_mask((unsigned)smmu->config.oas) ? SMMUV3_SILENT_ABORT : 0;
}

/* What configuration says of an address that is already translated. */
void smmu_ats_translated_result(struct smmu *smmu, const struct smmu_context *context,
				const struct dma_request *request, struct smmu_fault *fault,
				struct dma_result *result)
{
	uint16_t event = translated_refusal(smmu, &context->ste, request->iova);

	*fault = (struct smmu_fault){ .event = event, .is_config = true, .level = -1 };
	*result = (struct dma_result){ .pa = request->iova,
				       .perm = TLB_READ | TLB_WRITE,
				       .page_lg2 = 12 };
	if (event)
		*result = (struct dma_result){
			.pa = NO_PA, .outcome = OUTCOME_FAULT, .sees = SEES_ABORT, .fault = event
		};
}

struct reverse {
	pa_t pa;
	bool found;
	struct tlb_at at;
};

static bool leads_to(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	struct reverse *reverse = ctx;
	pa_t base = bits_at(*at->data, 51, 12);

	(void)tlb;
	if ((*at->data & TLB_CHECK) && reverse->pa >= base &&
	    reverse->pa - base <= page_mask(at->copy->page_lg2)) {
		reverse->found = true;
		reverse->at = *at;
	}
	return false;
}

/* The IOMMU cannot see it, but the entry that the endpoint used may be stale. */
static void check_atc(struct smmu *smmu, const struct dma_request *request,
		      const struct dma_result *served)
{
	struct tlb *atc = smmu->devices[request->device].atc;
	struct reverse reverse = { .pa = request->iova };
	struct tlb_scope all = { .any_tag = true, .last = low_mask(KEY_BITS) };
	struct dma_request plain = *request;
	struct smmu_answer truth;
	struct cached_copy copy;
	struct checked_use use = { .event = smmu->iommu.event,
				   .request = &plain,
				   .copy = &copy,
				   .served = *served,
				   .matches = 1 };

	if (atc)
		tlb_visit(atc, &all, leads_to, &reverse);
	if (!reverse.found)
		return;
	plain.type = DMA_UNTRANSLATED;
	plain.iova = smmu_unkey(tlb_first(atc, &reverse.at)) +
		     (request->iova & page_mask(reverse.at.copy->page_lg2));
	copy = (struct cached_copy){ .structure = STRUCTURE_ATC,
				     .perm = *reverse.at.data & TLB_PERM,
				     .page_lg2 = reverse.at.copy->page_lg2,
				     .reasons = reverse.at.copy->reasons,
				     .space = reverse.at.copy->space,
				     .serial = reverse.at.copy->serial,
				     .first = smmu_unkey(tlb_first(atc, &reverse.at)),
				     .last = smmu_unkey(tlb_last(atc, &reverse.at)),
				     .pa = bits_at(*reverse.at.data, 51, 12),
				     .filled = reverse.at.copy->filled,
				     .changed = *reverse.at.changed };
	smmu_truth(smmu, &plain, &truth);
	use.truth = truth.result;
	use.walk = truth.walked ? &truth.walker.report : NULL;
	use.verdict = truth.result.outcome == OUTCOME_OK && truth.result.pa == served->pa
			      ? VERDICT_BENIGN
			      : VERDICT_STALE_USE;
	smmu->observer->used(smmu->observer->self, &use);
}

void smmu_ats_translated(struct smmu *smmu, const struct dma_request *request,
			 struct dma_result *result)
{
	struct smmu_context scratch = { 0 }, *context = &scratch;
	struct smmu_fault fault;

	if (smmu->enabled)
		context = smmu_context_find(smmu, request, &scratch);
	smmu_ats_translated_result(smmu, context, request, &fault, result);
	if (!fault.event)
		check_atc(smmu, request, result);
	else if (fault.event == F_TRANSL_FORBIDDEN)
		smmu_event(smmu, request, context, &fault, result);
	else if (fault.event == SMMUV3_SILENT_ABORT)
		smmu->count.silent++;
	else
		refuse_config(smmu, request, context, fault.event, result);
}
