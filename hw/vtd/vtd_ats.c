/*
 * ATS as device and unit see it: specification 4.1 to 4.3, 6.5.2.5, 6.5.2.6.
 *
 * A request of a device with a device TLB is looked up there. What its copy allows is sent as a
 * translated request, which the unit checks against configuration only. Without such a copy the
 * device sends a translation request, which the unit answers from its own caches and tables, and
 * keeps the completion. A device asks only where its context entry allows it, as drivers switch on
 * both at once. Execute and privileged requests ask for as much; copies are of one privilege. A
 * zero-length read, which completes writes before it, asks for W too.
 */
#include "hw/vtd/vtd_private.h"

static bool ats_is_on(const struct vtd_route *route)
{
	return !route->context->fault && route->context->device_tlb;
}

/* ---- comparison with truth ------------------------------------------------------------------ */

/* The rights that a completion to such a request may grant of a page with these. */
static unsigned grantable(const struct vtd_context *context, const struct dma_request *request,
			  unsigned perm)
{
	if (!context->input_bits && context->execute)
		perm |= TLB_EXECUTE;
	if (context->stages == STAGES_FIRST && request->privileged && !context->write_protect)
		perm |= TLB_WRITE;
	if (context->smep && request->privileged && (perm & TLB_USER))
		perm &= ~(unsigned)TLB_EXECUTE;
	return perm;
}

/* Whether the copy grants what the tables grant now, or less, for all that it covers. A device asks
 * again for rights that its copy lacks, so less refuses nothing. */
static bool copy_equals(struct vtd *vtd, const struct dma_request *request,
			const struct atc_hit *hit)
{
	struct dma_request look = *request; /* whatever is granted, no dirty bit due */
	const struct tlb_copy *copy = hit->at.copy;
	uint64_t data = *hit->at.data;
	struct vtd_answer truth;
	const struct pt_walk *walk = &truth.walk;
	iova_t first = tlb_first(hit->tlb, &hit->at);

	look.type = DMA_UNTRANSLATED;
	look.access = 0;
	look.len = 1;
	vtd_truth(vtd, &look, &truth);
	if (truth.result.outcome != OUTCOME_OK)
		return false;
	if (!truth.walked) /* passed through, page by page */
		return copy->page_lg2 == 12 && copy->space == 0 &&
		       truth.result.pa >> 12 == bits_at(data, 51, 12) >> 12 &&
		       !(data & TLB_PERM &
			 ~(uint64_t)grantable(truth.route.context, request, truth.result.perm));
	if (walk->status != PT_OK || !walk->settled || walk->page_lg2 < copy->page_lg2 ||
	    truth.route.context->space != copy->space)
		return false;
	if ((data & TLB_PERM & ~(uint64_t)grantable(truth.route.context, request, walk->perm)) ||
	    ((data & TLB_WRITE) && (walk->flags & TLB_CLEAN)) ||
	    (walk->flags & TLB_SNOOP) != (data & TLB_SNOOP))
		return false;
	return (walk->pa | (first & low_mask(walk->page_lg2))) == bits_at(data, 51, 12);
}

/* R1: a request that was sent with the copy, against truth from before. */
static void compare_use(struct vtd *vtd, const struct dma_request *request,
			const struct vtd_route *route, const struct atc_hit *hit,
			const struct dma_result *served)
{
	struct cached_copy copy;
	struct checked_use use = { .event = vtd->iommu.event,
				   .request = request,
				   .copy = &copy,
				   .served = *served,
				   .matches = 1 };
	struct vtd_answer truth;

	vtd->count.compared++;
	vtd_truth(vtd, request, &truth);
	if (*hit->at.data & TLB_CHECK)
		atc_copy_of(&vtd->atcs, request->device, hit, &copy);
	else
		vtd_route_copy(vtd, route, &copy);
	use.truth = truth.result;
	use.walk = truth.walked ? &truth.walk : NULL;
	use.verdict = vtd_judge(served, &truth.result, copy.reasons);
	use.matches += atc_others(&vtd->atcs, request->device, hit, request->len, &use.other);
	vtd->observer->used(vtd->observer->self, &use);
	vtd_prove_route(vtd, route, &truth.route);
	if ((*hit->at.data & TLB_CHECK) && copy_equals(vtd, request, hit) && !atc_overlapped(hit))
		atc_proven(&vtd->atcs, request->device, hit);
}

/* The comparison that the translation request made is told of the request behind it. */
static void tell_asked(struct vtd *vtd, const struct dma_request *request,
		       const struct dma_result *served, const struct vtd_answer *truth)
{
	struct checked_use use = vtd->asking.use;

	use.request = request;
	use.copy = &vtd->asking.copy;
	use.served = *served;
	use.truth = truth->result;
	use.walk = truth->walked ? &truth->walk : NULL;
	use.verdict = vtd_judge(served, &truth->result, vtd->asking.copy.reasons);
	vtd->observer->used(vtd->observer->self, &use);
}

/* ---- translation requests --------------------------------------------------------------------- */

/* A page in part of which the unit gives no translated address is granted 4 KiB at a time. */
static unsigned granted_size(const struct dma_result *answer)
{
	pa_t page = answer->pa & ~low_mask(answer->page_lg2);

	return vtd_meets_interrupt_range(page, answer->page_lg2) ? 12 : answer->page_lg2;
}

/* The completion goes into the device's TLB; R3: a copy of stale copies carries the bit. */
static void keep(struct vtd *vtd, const struct dma_request *request, const struct vtd_route *route,
		 const struct dma_result *answer)
{
	const struct vtd_context *context = route->context;
	struct ats_completion completion = { .pa = answer->pa,
					     .page_lg2 = (uint8_t)granted_size(answer),
					     .perm = answer->perm,
					     .non_snooped = !(answer->flags & TLB_SNOOP) };
	struct atc_fill fill = { .device = request->device,
				 .pasid = request->pasid,
				 .privileged = request->privileged,
				 .input_bits = context->input_bits,
				 .iova = request->iova,
				 .completion = ats_completion_pack(&completion),
				 .space = context->stages == STAGES_PASS ? 0 : context->space,
				 .two_stage = context->stages == STAGES_NESTED,
				 .changed = NO_EVENT };
	struct atc_hit hit;

	atc_put(&vtd->atcs, &fill, request, &hit);
	if (!vtd->asking.checked || copy_equals(vtd, request, &hit))
		return;
	fill.reasons = CHECK_SOURCE;
	fill.changed = vtd->asking.copy.changed;
	atc_put(&vtd->atcs, &fill, request, &hit);
}

/* The rights that the request needs and a copy or completion does not grant. CAP.ZLR: a zero-length
 * read is content with W. */
static unsigned lacking(const struct vtd *vtd, const struct dma_request *request, uint64_t perm)
{
	unsigned missing = request->access & ~(unsigned)(perm & TLB_PERM);

	if (request->len == 0 && vtd->config.zero_length_read && (perm & TLB_WRITE))
		missing &= ~(unsigned)ACCESS_READ;
	return missing;
}

static bool grants(const struct dma_result *answer)
{
	return answer->outcome == OUTCOME_OK && answer->pa != NO_PA &&
	       (answer->perm & (TLB_READ | TLB_WRITE));
}

/* The request that the completion does not allow: the device ends it, the unit records nothing. */
static void end_request(struct vtd *vtd, const struct dma_request *request,
			const struct vtd_route *route, const struct dma_result *answer,
			struct dma_result *result)
{
	struct fault_report report = { .event = vtd->iommu.event,
				       .request = request,
				       .fate = FAULT_SILENT,
				       .holder = NO_DEVICE };
	unsigned reason = answer->pa == NO_PA ? answer->fault : 0;

	if (!reason)
		reason = vtd_denied(vtd, request, route->context, answer->perm | TLB_USER);
	*result = (struct dma_result){ .pa = NO_PA,
				       .outcome = OUTCOME_FAULT,
				       .sees = SEES_NO_RIGHT,
				       .fault = (uint16_t)reason };
	report.code = result->fault;
	vtd->count.ats_refused++;
	vtd->observer->fault(vtd->observer->self, &report);
	if (vtd->iommu.wanted == NO_PA)
		vtd->iommu.wanted = request->iova & ~0xfffull;
	vtd->attention = true; /* a device that asks for the page may have to wait with the next */
}

/* A copy that lacks a right that the request needs; where it overlaps others, several match. */
static void note_poor(struct vtd *vtd, const struct dma_request *request,
		      const struct atc_hit *poor, struct checked_use *use, struct cached_copy *copy)
{
	*use = (struct checked_use){ .event = vtd->iommu.event, .matches = 1 };
	use->matches += atc_others(&vtd->atcs, request->device, poor, request->len, &use->other);
	atc_copy_of(&vtd->atcs, request->device, poor, copy);
}

/* The unit's answer; what its comparison with truth finds is in vtd->asking. */
static void send_request(struct vtd *vtd, const struct dma_request *request,
			 struct vtd_route *route, struct dma_result *answer,
			 struct dma_result *result)
{
	struct dma_request asked = *request;

	asked.type = DMA_TRANSLATION_REQUEST;
	if (!asked.access || !asked.len) /* without the no-write flag */
		asked.access |= ACCESS_READ | ACCESS_WRITE;
	vtd->asking.checked = false;
	vtd->asking.on = true;
	vtd->atcs.count.requests++;
	vtd_answer(vtd, &asked, route, answer);
	vtd->asking.on = false;
	*result = *answer;
	if (answer->outcome != OUTCOME_OK)
		vtd_fault(vtd, &asked, route->context->sid, route->context->fpd, answer->fault);
	else if (answer->pa == NO_PA || lacking(vtd, request, answer->perm))
		end_request(vtd, request, route, answer, result);
}

/* poor: a copy with too few rights, or NULL. */
static void ask(struct vtd *vtd, const struct dma_request *request, const struct atc_hit *poor,
		struct dma_result *result)
{
	struct checked_use doubled = { .matches = 1 };
	struct cached_copy copy = { 0 };
	struct dma_result answer;
	struct vtd_answer truth;
	struct vtd_route route;

	if (poor)
		note_poor(vtd, request, poor, &doubled, &copy);
	vtd_truth(vtd, request, &truth); /* from before accessed and dirty bits are set */
	send_request(vtd, request, &route, &answer, result);
	if (doubled.matches > 1 && !vtd->asking.checked) {
		vtd->asking.copy = copy;
		vtd->asking.use = doubled;
	} else if (doubled.matches > 1 && vtd->asking.use.matches < 2) {
		vtd->asking.use.matches = doubled.matches;
		vtd->asking.use.other = doubled.other;
	}
	if (vtd->asking.checked || doubled.matches > 1)
		tell_asked(vtd, request, result, &truth);
	if (grants(&answer))
		keep(vtd, request, &route, &answer);
}

/* ---- requests ----------------------------------------------------------------------------------- */

/* A DMA through the device's TLB. False: ATS is off, it goes untranslated. */
static bool through_atc(struct vtd *vtd, const struct dma_request *request,
			struct dma_result *result)
{
	struct dma_request sent = *request;
	struct vtd_route route;
	struct atc_hit hit;
	bool found;

	sent.type = DMA_TRANSLATED;
	vtd_route_find(vtd, &sent, &route);
	if (!ats_is_on(&route))
		return false;
	found = atc_find(&vtd->atcs, request, &hit);
	if (!found || lacking(vtd, request, *hit.at.data)) {
		ask(vtd, request, found ? &hit : NULL, result);
		return true;
	}
	vtd->atcs.count.hits++;
	sent.iova = atc_output(&hit);
	vtd_before_translation(vtd, &sent, route.context, result);
	result->perm = *hit.at.data & TLB_PERM;
	result->flags = *hit.at.data & TLB_SNOOP;
	result->page_lg2 = hit.at.copy->page_lg2;
	result->cached = 1;
	if ((*hit.at.data & TLB_CHECK) || vtd_route_checked(&route))
		compare_use(vtd, request, &route, &hit, result);
	return true;
}

/* A recorded translation request, whose completion the device keeps. */
static void recorded_request(struct vtd *vtd, const struct dma_request *request,
			     struct dma_result *result)
{
	struct vtd_route route;

	vtd->asking.checked = false;
	vtd->atcs.count.requests++;
	vtd_answer(vtd, request, &route, result);
	if (result->outcome == OUTCOME_FAULT)
		vtd_fault(vtd, request, route.context->sid, route.context->fpd, result->fault);
	else if (grants(result))
		keep(vtd, request, &route, result);
}

/*
 * A translated request as a recorder at the unit saw it: with the address that the device's TLB
 * gave. Which copy that was is not told: it was stale only if every copy that leads there is.
 */
struct sent {
	struct vtd *vtd;
	const struct dma_request *request;
	bool any, fresh;
	struct dma_request plain; /* what the first of them stands for */
	struct cached_copy copy;
	struct vtd_answer truth;
};

static bool look_at_copy(void *ctx, uint32_t pasid, iova_t iova, const struct atc_hit *hit)
{
	struct sent *sent = ctx;
	struct dma_request plain = *sent->request;
	struct vtd_answer truth;

	plain.type = DMA_UNTRANSLATED;
	plain.pasid = pasid;
	plain.iova = iova;
	plain.privileged = hit->privileged;
	vtd_truth(sent->vtd, &plain, &truth);
	if (truth.result.outcome == OUTCOME_OK && truth.result.pa == sent->request->iova) {
		sent->fresh = true;
		return false;
	}
	if (!sent->any) {
		sent->any = true;
		sent->plain = plain;
		sent->truth = truth;
		atc_copy_of(&sent->vtd->atcs, plain.device, hit, &sent->copy);
	}
	return true;
}

static void sent_by_copy(struct vtd *vtd, const struct dma_request *request, struct sent *sent)
{
	*sent = (struct sent){ .vtd = vtd, .request = request };
	atc_by_output(&vtd->atcs, request->device, request->iova, look_at_copy, sent);
}

static void recorded_translated(struct vtd *vtd, const struct dma_request *request,
				struct dma_result *result)
{
	struct vtd_route route;
	struct sent sent;
	struct checked_use use = { .event = vtd->iommu.event, .matches = 1 };

	vtd_answer(vtd, request, &route, result);
	if (result->outcome == OUTCOME_FAULT)
		vtd_fault(vtd, request, route.context->sid, route.context->fpd, result->fault);
	if (result->outcome != OUTCOME_OK)
		return;
	sent_by_copy(vtd, request, &sent);
	if (sent.fresh || !sent.any || !(sent.copy.reasons))
		return;
	use.request = &sent.plain;
	use.copy = &sent.copy;
	use.served = *result;
	use.truth = sent.truth.result;
	use.walk = sent.truth.walked ? &sent.truth.walk : NULL;
	use.verdict = vtd_judge(result, &sent.truth.result, sent.copy.reasons);
	vtd->observer->used(vtd->observer->self, &use);
}

static bool has_a_part(const struct vtd *vtd, const struct dma_request *request)
{
	return atc_has(&vtd->atcs, request->device);
}

bool vtd_ats(struct vtd *vtd, const struct dma_request *request, struct dma_result *result)
{
	struct dma_request plain = *request;

	if (!has_a_part(vtd, request))
		return false;
	plain.type = DMA_UNTRANSLATED;
	switch (request->type) {
	case DMA_UNTRANSLATED:
		return atc_of_dma(&vtd->atcs, request->device) && through_atc(vtd, request, result);
	case DMA_TRANSLATION_REQUEST:
		recorded_request(vtd, request, result);
		return true;
	default:
		break;
	}
	/* By the address that the device translated, where its TLB holds that. */
	if (atc_holds(&vtd->atcs, request) && through_atc(vtd, &plain, result))
		return true;
	recorded_translated(vtd, request, result);
	return true;
}

/* Truth of a translated request is what its copy's input address leads to. False: none is known. */
bool vtd_ats_truth(struct vtd *vtd, const struct dma_request *request, struct dma_result *result)
{
	struct dma_request plain = *request;
	struct vtd_answer truth;
	struct sent sent;

	if (request->type != DMA_TRANSLATED || !has_a_part(vtd, request))
		return false;
	vtd_truth(vtd, request, &truth);
	if (truth.result.outcome != OUTCOME_OK)
		return false;
	plain.type = DMA_UNTRANSLATED;
	if (atc_holds(&vtd->atcs, request)) {
		vtd_truth(vtd, &plain, &truth);
		*result = truth.result;
		return true;
	}
	sent_by_copy(vtd, request, &sent);
	if (sent.fresh || !sent.any)
		return false;
	*result = sent.truth.result;
	return true;
}

/* ---- invalidation, configuration ------------------------------------------------------------------ */

/* Types 3 and 8: the devices with that source id. */
void vtd_ats_invalidate(struct vtd *vtd, const struct native_command *command,
			struct inval_report *report)
{
	struct invalidation what;
	uint16_t sid;

	if (!vtd_decode(&vtd->iommu, command, &what))
		return; /* no such device */
	sid = vtd->devices[what.device].sid;
	for (uint32_t device = 0; device < vtd->n_devices; device++)
		if (vtd->devices[device].sid == sid)
			atc_invalidate(&vtd->atcs, device, what.pasid, what.first, what.last,
				       report);
}

/* Configuration entries changed; ranges as vtd_config_mark() has them. */
void vtd_ats_mark_config(struct vtd *vtd, uint64_t first, uint64_t last)
{
	bool scalable = vtd_table_mode(vtd) == TTM_SCALABLE;
	unsigned shift = scalable ? PASID_BITS : 0;
	uint32_t most = (uint32_t)low_mask(PASID_BITS);

	for (uint32_t device = 0; device < vtd->n_devices && vtd->atcs.n; device++) {
		uint64_t sid = vtd->devices[device].sid;

		if (sid < first >> shift || sid > last >> shift)
			continue;
		atc_mark_device(&vtd->atcs, device,
				scalable && sid == first >> shift ? (uint32_t)first & most : 0,
				scalable && sid == last >> shift ? (uint32_t)last & most : most);
	}
}

/* 6.5.2.10: ITE, and the device's source id in IQER. */
void vtd_atc_timed_out(struct iommu *iommu, uint64_t event, uint32_t device)
{
	struct vtd *vtd = vtd_of(iommu);

	vtd->iommu.event = event;
	vtd->iqer = (vtd->iqer & ~(low_mask(16) << 32)) | (uint64_t)vtd->devices[device].sid << 32;
	vtd->count.timed_out++;
	vtd_fault_condition(vtd, FSTS_ITE);
}
