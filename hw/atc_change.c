/* Device TLBs: invalidation, and what sets and clears check bits. */
#include "hw/atc_private.h"

void atc_doubt(const struct atc_visit *visit, const struct tlb_at *at)
{
	if (visit->changed != NO_EVENT || !(*at->data & TLB_CHECK))
		*at->changed = visit->changed;
	*at->data |= TLB_CHECK;
	at->copy->reasons |= (uint8_t)visit->reason;
	atc_opens(visit, at);
}

static bool mark_copy(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	(void)tlb;
	atc_doubt(ctx, at);
	return false;
}

/* ---- invalidation, marks ------------------------------------------------------------------------ */

static bool remove_copy(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	const struct atc_visit *visit = ctx;
	bool check = *at->data & TLB_CHECK;

	(void)tlb;
	visit->report->removed++;
	visit->report->stale += check;
	visit->report->agreed += !check;
	visit->set->count.invalidated++;
	atc_closes(visit, at);
	return true;
}

/* The range as copies of the form count their input. */
static struct tlb_scope scope_of(uint32_t tag, const struct atc_form *form, iova_t first,
				 iova_t last)
{
	uint64_t mask = form->input_bits ? low_mask(form->input_bits) : UINT64_MAX;
	struct tlb_scope scope = { .tag = tag, .first = first & mask };

	scope.last = last - first > mask ? mask : scope.first + (last - first);
	if (last - first > mask)
		scope.first = 0;
	return scope;
}

void atc_invalidate(struct atc_set *set, uint32_t device, uint32_t pasid, iova_t first, iova_t last,
		    struct inval_report *report)
{
	struct atc_visit visit;

	if (!atc_has(set, device))
		return;
	visit = atc_visit_of(set, device);
	visit.report = report;
	for (uint32_t tag = 0; tag < visit.atc->n_forms; tag++) {
		const struct atc_form *form = &visit.atc->forms[tag];
		struct tlb_scope scope = scope_of(tag, form, first, last);

		if (pasid == form->pasid || (pasid == ALL_PASIDS && form->pasid != NO_PASID))
			tlb_visit(visit.atc->tlb, &scope, remove_copy, &visit);
	}
}

void atc_mark(struct atc_set *set, uint32_t space, iova_t first, iova_t last)
{
	struct tlb_scope scope = { .any_tag = true, .space = space, .first = first, .last = last };

	for (uint32_t device = 0; device < set->n; device++) {
		struct atc_visit visit = atc_visit_of(set, device);

		visit.reason = CHECK_UPDATE;
		visit.changed = set->iommu->event;
		if (visit.atc && MARK(MARK_ATC_UPDATE))
			tlb_visit(visit.atc->tlb, &scope, mark_copy, &visit);
	}
}

void atc_mark_device(struct atc_set *set, uint32_t device, uint32_t first, uint32_t last)
{
	struct atc_visit visit;

	if (!atc_has(set, device) || !MARK(MARK_ATC_CONFIG))
		return;
	visit = atc_visit_of(set, device);
	visit.reason = CHECK_UPDATE;
	visit.changed = set->iommu->event;
	for (uint32_t tag = 0; tag < visit.atc->n_forms; tag++) {
		uint32_t pasid = visit.atc->forms[tag].pasid;
		struct tlb_scope scope = { .tag = tag, .last = UINT64_MAX };

		if (pasid == NO_PASID || (pasid >= first && pasid <= last))
			tlb_visit(visit.atc->tlb, &scope, mark_copy, &visit);
	}
}

static bool mark_two_stage(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	(void)tlb;
	if (at->copy->generation)
		atc_doubt(ctx, at);
	return false;
}

void atc_new_generation(struct atc_set *set)
{
	struct tlb_scope all = { .any_tag = true, .last = UINT64_MAX };

	if (!MARK(MARK_ATC_GENERATION))
		return;
	set->generation_changed = set->iommu->event;
	if (++set->generation)
		return;
	set->generation = 1; /* numbers come round: then the copies' own check bits say it */
	for (uint32_t device = 0; device < set->n; device++) {
		struct atc_visit visit = atc_visit_of(set, device);

		visit.reason = CHECK_UPDATE;
		visit.changed = set->iommu->event;
		if (visit.atc)
			tlb_visit(visit.atc->tlb, &all, mark_two_stage, &visit);
	}
}

void atc_proven(struct atc_set *set, uint32_t device, const struct atc_hit *hit)
{
	struct atc_visit visit = atc_visit_of(set, device);

	atc_closes(&visit, &hit->at);
	*hit->at.data &= ~(uint64_t)TLB_CHECK;
	hit->at.copy->reasons = 0;
}
