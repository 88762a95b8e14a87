/*
 * ATS: translation requests, translated requests, and the endpoints' caches (IHI 0070 3.9).
 *
 * A request of an endpoint with an ATC (hw/atc.h) is looked up there and sent as a translated request;
 * without a copy that allows it the endpoint sends a translation request and keeps the completion.
 * It does so only where its STE has ATS on; zero-length reads and privileged requests go untranslated.
 */

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

/* ---- the endpoints' caches ------------------------------------------------------------------ */

void smmu_atc_invalidate(struct smmu *smmu, const struct native_command *command,
			 struct inval_report *report)
{
	uint64_t low = command->words[0], high = command->words[1];
	unsigned size = (unsigned)bits(high, 5, 0);
	iova_t first = size >= ATC_ALL ? 0 : bits_at(high, 63, 12) & ~low_mask(12 + size);
	iova_t last = size >= ATC_ALL ? UINT64_MAX : first + low_mask(12 + size);
	uint32_t pasid = !bit(low, 11) ? NO_PASID
			 : bit(low, 9) ? ALL_PASIDS
				       : (uint32_t)bits(low, 31, 12);

	for (uint32_t i = 0; i < smmu->n_devices; i++) {
		if (smmu->devices[i].sid != low >> 32)
			continue;
		if (smmu->devices[i].gone)
			smmu->atc_timed_out = true; /* nothing is known of its cache */
		else
			atc_invalidate(&smmu->atcs, i, pasid, first, last, report);
	}
}

/* Whatever the range: copies are few, and a check bit too many costs one comparison. */
void smmu_atc_mark(struct smmu *smmu, const struct table_change *change)
{
	atc_mark(&smmu->atcs, change->space, 0, UINT64_MAX);
}

/* A configuration structure changed: which devices it leads to is not followed. */
void smmu_atc_mark_config(struct smmu *smmu)
{
	for (uint32_t i = 0; i < smmu->n_devices; i++)
		atc_mark_device(&smmu->atcs, i, 0, (uint32_t)low_mask(20));
}

/* Whether the copy grants what the tables grant now, or less, for all that it covers. */
static bool copy_equals(struct smmu *smmu, const struct dma_request *request,
			const struct atc_hit *hit)
{
	struct dma_request look = *request; /* whatever is granted */
	const struct tlb_copy *copy = hit->at.copy;
	uint64_t data = *hit->at.data, offset = hit->input & low_mask(copy->page_lg2);
	struct smmu_answer truth;
	const struct smmu_walker *walker = &truth.walker;

	look.type = DMA_UNTRANSLATED;
	look.access = 0;
	look.len = 1;
	smmu_truth(smmu, &look, &truth);
	if (truth.result.outcome != OUTCOME_OK ||
	    truth.result.pa != (bits_at(data, 51, 12) | offset))
		return false;
	if (!truth.walked)
		return copy->page_lg2 == 12 && !copy->space;
	return walker->page_lg2 >= copy->page_lg2 && !walker->run_bad &&
	       walker->half->space == copy->space &&
	       !(data & TLB_PERM & ~(uint64_t)smmu_allowed(walker->data, false)) &&
	       !((data & TLB_WRITE) && smmu_clean(walker->data, false));
}

static void put(struct smmu *smmu, const struct dma_request *request,
		const struct smmu_context *context, const struct dma_result *answer, uint32_t space,
		bool doubt)
{
	struct ats_completion completion = { .pa = answer->pa,
					     .page_lg2 = answer->page_lg2,
					     .perm = answer->perm };
	struct atc_fill fill = { .device = request->device,
				 .pasid = request->pasid,
				 .input_bits = KEY_BITS,
				 .iova = smmu_unkey(
					 smmu_key(request->iova, bit(request->iova, 55))),
				 .completion = ats_completion_pack(&completion),
				 .space = space,
				 .two_stage = context->stage1 && context->stage2,
				 .reasons = doubt ? CHECK_SOURCE : 0,
				 .changed = NO_EVENT };
	struct atc_hit hit;

	if (smmu->asking.checked)
		fill.changed = smmu->asking.copy.changed;
	atc_put(&smmu->atcs, &fill, request, &hit);
	if (!doubt && !copy_equals(smmu, request, &hit)) {
		fill.reasons = CHECK_SOURCE; /* R3: stale copies answered */
		atc_put(&smmu->atcs, &fill, request, &hit);
	}
}

/* A configuration that no cache holds, or not as a watched one, changes without being seen. */
static void keep(struct smmu *smmu, const struct dma_request *request,
		 const struct smmu_context *context, const struct smmu_context *scratch,
		 const struct dma_result *answer)
{
	struct dma_request plain = *request;
	struct smmu_answer truth;
	uint32_t space;

	plain.type = DMA_UNTRANSLATED;
	smmu_truth(smmu, &plain, &truth);
	space = truth.walked ? truth.walker.half->space : 0;
	put(smmu, request, context, answer, space, context == scratch || context->unwatched);
}

void smmuv3_atc_fill(struct iommu *iommu, uint32_t device, iova_t iova, pa_t pa)
{
	struct smmu *smmu = smmu_of(iommu);
	static const struct device_tlb tlb = { .sets = 8, .ways = 8 }; /* where it has none yet */
	struct ats_completion completion = { .pa = pa,
					     .page_lg2 = 12,
					     .perm = TLB_READ | TLB_WRITE };
	struct dma_request request = { .device = device, .pasid = NO_PASID, .iova = iova };
	struct atc_fill fill = { .device = device,
				 .pasid = NO_PASID,
				 .input_bits = KEY_BITS,
				 .iova = iova,
				 .completion = ats_completion_pack(&completion),
				 .changed = NO_EVENT };
	struct atc_hit hit;

	if (atc_add(&smmu->atcs, device, &tlb, NULL) == 0)
		atc_put(&smmu->atcs, &fill, &request, &hit);
}

bool smmuv3_atc_holds(const struct iommu *iommu, uint32_t device, iova_t iova)
{
	const struct smmu *smmu = (const struct smmu *)iommu;
	const struct dma_request request = { .device = device, .pasid = NO_PASID, .iova = iova };

	return atc_has(&smmu->atcs, device) && atc_holds(&smmu->atcs, &request);
}

/* R1: what a cached configuration in doubt decided alone. */
static void compare_config(struct smmu *smmu, const struct dma_request *request,
			   const struct smmu_context *context, const struct dma_result *served)
{
	struct checked_use use = { .event = smmu->iommu.event,
				   .request = request,
				   .copy = &smmu->asking.copy,
				   .served = *served,
				   .matches = 1 };

	if (!context->valid || !smmu_context_checked(smmu, context))
		return;
	smmu_context_copy(smmu, context, &smmu->asking.copy);
	smmu_ats_truth(smmu, request, &use.truth);
	use.verdict = smmu_judge(served, &use.truth, smmu->asking.copy.reasons);
	smmu->asking.checked = true;
	smmu->asking.use = use;
	if (!smmu->asking.on)
		smmu->observer->used(smmu->observer->self, &use);
}

/* ---- translation requests ----------------------------------------------------------------------- */

/* Success without permission: the endpoint asks again later, or reports. */
static void nothing_granted(uint16_t event, struct dma_result *result)
{
	*result = (struct dma_result){ .pa = NO_PA, .page_lg2 = 12, .fault = event };
}

static bool without_permission(uint16_t event)
{
	return event >= F_TRANSLATION && event <= F_PERMISSION;
}

/* A write has to find, and make, the page dirty now: the endpoint will not ask again. */
static void make_dirty(struct smmu *smmu, struct dma_request *ask, struct smmu_context **context,
		       struct smmu_context *scratch, struct dma_result *result)
{
	const struct smmu_asking first = smmu->asking;
	struct smmu_fault fault;
	struct dma_result again;

	if (!(result->perm & TLB_WRITE))
		return;
	ask->access = ACCESS_WRITE;
	smmu->asking.on = true;
	if (smmu_translate_page(smmu, ask, context, scratch, &fault, &again))
		*result = again;
	smmu->asking.on = first.on;
	if (first.checked) {
		smmu->asking = first; /* a request is told once */
	} else if (smmu->asking.checked && !first.on) {
		smmu->asking.use.copy = &smmu->asking.copy;
		smmu->observer->used(smmu->observer->self, &smmu->asking.use);
	}
}

/* The completion; *context is what answered, or *scratch. */
static void complete(struct smmu *smmu, const struct dma_request *request,
		     struct smmu_context **found, struct smmu_context *scratch,
		     struct dma_result *result)
{
	struct smmu_context *context = scratch;
	struct dma_request ask = *request;
	struct smmu_fault fault;

	if (!smmu->enabled) {
		refuse(smmu, request, context, F_BAD_ATS_TREQ, SEES_UNSUPPORTED, true, result);
		return;
	}
	context = *found = smmu_context_find(smmu, request, scratch);
	if (context->ste.fault.event) {
		refuse_config(smmu, request, context, context->ste.fault.event, result);
		compare_config(smmu, request, context, result);
		return;
	}
	if (context->ste.abort || !ats_on(smmu, &context->ste)) {
		refuse(smmu, request, context,
		       context->ste.abort ? SMMUV3_SILENT_ABORT : F_BAD_ATS_TREQ, SEES_UNSUPPORTED,
		       !context->ste.abort, result);
		compare_config(smmu, request, context, result);
		return;
	}
	ask.type = DMA_UNTRANSLATED;
	ask.access = 0; /* whatever is granted */
	if (!smmu_translate_page(smmu, &ask, &context, scratch, &fault, result)) {
		if (without_permission(fault.event))
			nothing_granted(fault.event, result);
		else
			refuse_config(smmu, request, context, fault.event, result);
		return;
	}
	if (request->access & ACCESS_WRITE)
		make_dirty(smmu, &ask, &context, scratch, result);
	*found = context;
}

static bool grants(const struct dma_result *answer)
{
	return answer->outcome == OUTCOME_OK && answer->pa != NO_PA && answer->perm;
}

void smmu_ats_request(struct smmu *smmu, const struct dma_request *request,
		      struct dma_result *result)
{
	struct smmu_context scratch = { 0 }, *context = &scratch;

	smmu->asking.checked = false;
	smmu->atcs.count.requests++;
	complete(smmu, request, &context, &scratch, result);
	if (atc_has(&smmu->atcs, request->device) && grants(result))
		keep(smmu, request, context, &scratch, result);
}

/* The request that the completion does not allow: the endpoint ends it, the SMMU records nothing. */
static void end_request(struct smmu *smmu, const struct dma_request *request,
			const struct dma_result *answer, struct dma_result *result)
{
	struct fault_report report = { .event = smmu->iommu.event,
				       .request = request,
				       .code = answer->pa == NO_PA && answer->fault ? answer->fault
										    : F_PERMISSION,
				       .fate = FAULT_SILENT,
				       .holder = NO_DEVICE };

	*result = (struct dma_result){
		.pa = NO_PA, .outcome = OUTCOME_FAULT, .sees = SEES_NO_RIGHT, .fault = report.code
	};
	smmu->count.silent++;
	smmu->observer->fault(smmu->observer->self, &report);
	if (smmu->iommu.wanted == NO_PA)
		smmu->iommu.wanted = request->iova & ~0xfffull;
	smmu->attention =
		true; /* an endpoint that asks for the page may have to wait with the next */
}

/* The comparison that the translation request made is told of the request behind it. */
static void tell_asked(struct smmu *smmu, const struct dma_request *request,
		       const struct dma_result *served)
{
	struct checked_use use = smmu->asking.use;
	struct smmu_answer truth;

	smmu_truth(smmu, request, &truth);
	use.request = request;
	use.copy = &smmu->asking.copy;
	use.served = *served;
	use.truth = truth.result;
	use.walk = truth.walked ? &truth.walker.report : NULL;
	use.verdict = smmu_judge(served, &truth.result, smmu->asking.copy.reasons);
	smmu->observer->used(smmu->observer->self, &use);
}

/* poor: a copy with too few rights, or NULL; where it overlaps others, several match. */
static void ask(struct smmu *smmu, const struct dma_request *request, const struct atc_hit *poor,
		struct dma_result *result)
{
	struct smmu_context scratch = { 0 }, *context = &scratch;
	struct checked_use doubled = { .event = smmu->iommu.event, .matches = 1 };
	struct dma_request asked = *request;
	struct dma_result answer;

	asked.type = DMA_TRANSLATION_REQUEST;
	if (!asked.access)
		asked.access = ACCESS_READ | ACCESS_WRITE;
	smmu->asking.checked = false;
	if (poor)
		doubled.matches += atc_others(&smmu->atcs, request->device, poor, request->len,
					      &doubled.other);
	smmu->asking.on = true;
	smmu->atcs.count.requests++;
	complete(smmu, &asked, &context, &scratch, &answer);
	smmu->asking.on = false;
	*result = answer;
	if (answer.outcome == OUTCOME_OK &&
	    (answer.pa == NO_PA || (request->access & ~answer.perm)))
		end_request(smmu, request, &answer, result);
	if (doubled.matches > 1 && !smmu->asking.checked) {
		atc_copy_of(&smmu->atcs, request->device, poor, &smmu->asking.copy);
		smmu->asking.use = doubled;
	} else if (doubled.matches > 1 && smmu->asking.use.matches < 2) {
		smmu->asking.use.matches = doubled.matches;
		smmu->asking.use.other = doubled.other;
	}
	if (smmu->asking.checked || doubled.matches > 1)
		tell_asked(smmu, request, result);
	if (grants(&answer))
		keep(smmu, request, context, &scratch, &answer);
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

/* R1: a request that was sent with the copy. */
static void compare_use(struct smmu *smmu, const struct dma_request *request,
			struct smmu_context *context, const struct atc_hit *hit,
			const struct dma_result *served)
{
	struct cached_copy copy;
	struct checked_use use = { .event = smmu->iommu.event,
				   .request = request,
				   .copy = &copy,
				   .served = *served,
				   .matches = 1 };
	struct smmu_answer truth;

	smmu->count.compared++;
	smmu_truth(smmu, request, &truth);
	if (*hit->at.data & TLB_CHECK)
		atc_copy_of(&smmu->atcs, request->device, hit, &copy);
	else
		smmu_context_copy(smmu, context, &copy);
	use.truth = truth.result;
	use.walk = truth.walked ? &truth.walker.report : NULL;
	use.verdict = smmu_judge(served, &truth.result, copy.reasons);
	use.matches += atc_others(&smmu->atcs, request->device, hit, request->len, &use.other);
	smmu->observer->used(smmu->observer->self, &use);
	if ((*hit->at.data & TLB_CHECK) && !context->unwatched && copy_equals(smmu, request, hit) &&
	    !atc_overlapped(hit))
		atc_proven(&smmu->atcs, request->device, hit);
}

/* A DMA through the endpoint's ATC. False: ATS is off, it goes untranslated. */
static bool through_atc(struct smmu *smmu, const struct dma_request *request,
			struct dma_result *result)
{
	struct smmu_context scratch = { 0 }, *context;
	struct dma_request sent = *request, looked = *request;
	struct smmu_fault fault;
	struct atc_hit hit;
	bool found;

	if (!smmu->enabled)
		return false;
	context = smmu_context_find(smmu, request, &scratch);
	if (context->ste.fault.event || context->ste.abort || !ats_on(smmu, &context->ste))
		return false;
	looked.iova = smmu_unkey(smmu_key(request->iova, bit(request->iova, 55)));
	found = atc_find(&smmu->atcs, &looked, &hit);
	if (!found || (request->access & ~*hit.at.data)) {
		ask(smmu, request, found ? &hit : NULL, result);
		return true;
	}
	smmu->atcs.count.hits++;
	sent.type = DMA_TRANSLATED;
	sent.iova = atc_output(&hit);
	smmu_ats_translated_result(smmu, context, &sent, &fault, result);
	if (fault.event)
		return false; /* more address bits than the SMMU has: as it would be untranslated */
	result->perm = *hit.at.data & TLB_PERM;
	result->page_lg2 = hit.at.copy->page_lg2;
	result->cached = 1;
	if ((*hit.at.data & TLB_CHECK) || context == &scratch ||
	    smmu_context_checked(smmu, context))
		compare_use(smmu, request, context, &hit, result);
	return true;
}

/*
 * A translated request as a recorder at the SMMU saw it: with the address that the ATC gave. Which
 * copy that was is not told: it was stale only if every copy that leads there is.
 */
struct sent {
	struct smmu *smmu;
	const struct dma_request *request;
	bool any, fresh;
	struct dma_request plain; /* what the first of them stands for */
	struct cached_copy copy;
	struct dma_result truth;
};

static bool look_at_copy(void *ctx, uint32_t pasid, iova_t iova, const struct atc_hit *hit)
{
	struct sent *sent = ctx;
	struct dma_request plain = *sent->request;
	struct smmu_answer truth;

	plain.type = DMA_UNTRANSLATED;
	plain.pasid = pasid;
	plain.iova = iova;
	smmu_truth(sent->smmu, &plain, &truth);
	if (truth.result.outcome == OUTCOME_OK && truth.result.pa == sent->request->iova) {
		sent->fresh = true;
		return false;
	}
	if (!sent->any) {
		sent->any = true;
		sent->plain = plain;
		sent->truth = truth.result;
		atc_copy_of(&sent->smmu->atcs, plain.device, hit, &sent->copy);
	}
	return true;
}

static bool sent_by_stale(struct smmu *smmu, const struct dma_request *request, struct sent *sent)
{
	*sent = (struct sent){ .smmu = smmu, .request = request };
	atc_by_output(&smmu->atcs, request->device, request->iova, look_at_copy, sent);
	return sent->any && !sent->fresh;
}

static void check_atc(struct smmu *smmu, const struct dma_request *request,
		      const struct dma_result *served)
{
	struct sent sent;
	struct checked_use use = { .event = smmu->iommu.event,
				   .request = &sent.plain,
				   .copy = &sent.copy,
				   .served = *served,
				   .matches = 1 };

	if (!atc_has(&smmu->atcs, request->device) || !sent_by_stale(smmu, request, &sent) ||
	    !sent.copy.reasons)
		return;
	use.truth = sent.truth;
	use.verdict = smmu_judge(served, &sent.truth, sent.copy.reasons);
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
	compare_config(smmu, request, context, result);
	if (!fault.event)
		check_atc(smmu, request, result);
	else if (fault.event == F_TRANSL_FORBIDDEN)
		smmu_event(smmu, request, context, &fault, result);
	else if (fault.event == SMMUV3_SILENT_ABORT)
		smmu->count.silent++;
	else
		refuse_config(smmu, request, context, fault.event, result);
}

/* What an endpoint's ATC has a part in; false: the request goes to the SMMU as it is. */
bool smmu_through_atc(struct smmu *smmu, const struct dma_request *request,
		      struct dma_result *result)
{
	struct dma_request plain = *request;

	if (!atc_has(&smmu->atcs, request->device) || !request->len || request->privileged ||
	    (request->access & ACCESS_EXECUTE))
		return false;
	if (request->type == DMA_UNTRANSLATED)
		return atc_of_dma(&smmu->atcs, request->device) &&
		       through_atc(smmu, request, result);
	plain.type = DMA_UNTRANSLATED;
	/* By the address that the endpoint translated, where its ATC holds that. */
	return request->type == DMA_TRANSLATED && atc_holds(&smmu->atcs, request) &&
	       through_atc(smmu, &plain, result);
}

/* ---- truth ---------------------------------------------------------------------------------------- */

static bool truth_of_copy(struct smmu *smmu, const struct dma_request *request,
			  const struct smmu_ste *ste, struct dma_result *result)
{
	struct dma_request plain = *request;
	struct smmu_answer truth;
	struct sent sent;

	if (!atc_has(&smmu->atcs, request->device) || !request->len || request->privileged ||
	    (request->access & ACCESS_EXECUTE))
		return false;
	plain.type = DMA_UNTRANSLATED;
	if (!ste->fault.event && !ste->abort && ats_on(smmu, ste) &&
	    atc_holds(&smmu->atcs, request)) {
		smmu_truth(smmu, &plain, &truth);
		*result = truth.result;
		return true;
	}
	if (!sent_by_stale(smmu, request, &sent))
		return false;
	*result = sent.truth;
	return true;
}

/* What configuration says; else what the copy's input address leads to, where a copy is known. */
static void translated_truth(struct smmu *smmu, const struct dma_request *request,
			     struct dma_result *result)
{
	struct smmu_context context = { 0 };
	struct smmu_fault fault;

	if (smmu->enabled)
		smmu_ste_read(smmu, smmu->devices[request->device].sid, false, &context.ste);
	smmu_ats_translated_result(smmu, &context, request, &fault, result);
	if (!fault.event)
		truth_of_copy(smmu, request, &context.ste, result);
}

static void completion_truth(struct smmu *smmu, const struct dma_request *request,
			     struct dma_result *result)
{
	struct dma_request ask = *request;
	struct smmu_answer truth;

	*result = (struct dma_result){ .pa = NO_PA, .outcome = OUTCOME_FAULT };
	if (!smmu->enabled)
		return;
	ask.type = DMA_UNTRANSLATED;
	ask.access = 0;
	smmu_truth(smmu, &ask, &truth);
	if (truth.context.ste.fault.event || truth.context.ste.abort ||
	    !ats_on(smmu, &truth.context.ste))
		return;
	if (truth.result.outcome == OUTCOME_OK)
		*result = truth.result;
	else if (without_permission(truth.result.fault))
		nothing_granted(truth.result.fault, result);
}

/* The uncached answer to ATS traffic; false: it is none. */
bool smmu_ats_truth(struct smmu *smmu, const struct dma_request *request, struct dma_result *result)
{
	if (request->type == DMA_TRANSLATION_REQUEST)
		completion_truth(smmu, request, result);
	else if (request->type == DMA_TRANSLATED)
		translated_truth(smmu, request, result);
	return request->type != DMA_UNTRANSLATED;
}
