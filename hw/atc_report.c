/* Device TLBs: what is told of their copies, and what reports ask. */
#include "hw/atc_private.h"

void atc_describe(const struct atc *atc, uint32_t device, const struct tlb_at *at,
		  struct cached_copy *copy)
{
	const struct atc_form *form = &atc->forms[tlb_tag_of(atc->tlb, at)];
	bool check = *at->data & TLB_CHECK;

	*copy = (struct cached_copy){
		.structure = STRUCTURE_ATC,
		.perm = (uint8_t)(*at->data & TLB_PERM),
		.page_lg2 = at->copy->page_lg2,
		.reasons = check ? at->copy->reasons : 0,
		.space = at->copy->space,
		.tag = device,
		.pasid = form->pasid,
		.serves = form->pasid,
		.serial = at->copy->serial,
		.first = atc_iova_of(form->input_bits, tlb_first(atc->tlb, at)),
		.last = atc_iova_of(form->input_bits, tlb_last(atc->tlb, at)),
		.pa = bits_at(*at->data, 51, 12),
		.filled = at->copy->filled,
		.changed = check ? *at->changed : NO_EVENT,
	};
}

void atc_copy_of(const struct atc_set *set, uint32_t device, const struct atc_hit *hit,
		 struct cached_copy *copy)
{
	atc_describe(set->atcs[device], device, &hit->at, copy);
}

/* Copies that may grant what is gone; an overlap alone grants nothing gone. */
static bool told(const struct tlb_at *at)
{
	return (*at->data & TLB_CHECK) && (at->copy->reasons & ~CHECK_OVERLAP);
}

void atc_opens(const struct atc_visit *visit, const struct tlb_at *at)
{
	struct cached_copy copy;
	struct doubted_copy doubted;

	if (!told(at))
		return;
	atc_describe(visit->atc, visit->device, at, &copy);
	doubted = doubted_copy_of(&copy);
	visit->set->observer->copy_opens(visit->set->observer->self, &doubted);
}

void atc_closes(const struct atc_visit *visit, const struct tlb_at *at)
{
	if (told(at))
		visit->set->observer->copy_closes(visit->set->observer->self,
						  copy_name(STRUCTURE_ATC, 0, at->copy->serial));
}

/* ---- what reports ask --------------------------------------------------------------------------- */

struct others {
	const struct tlb_at *self;
	uint32_t n;
	struct tlb_at other;
};

static bool note_other(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	struct others *others = ctx;

	(void)tlb;
	if (at->copy != others->self->copy) {
		others->n++;
		others->other = *at;
	}
	return false;
}

uint32_t atc_others(const struct atc_set *set, uint32_t device, const struct atc_hit *hit,
		    uint64_t bytes, struct cached_copy *other)
{
	struct others others = { .self = &hit->at };
	struct tlb_scope scope = { .tag = tlb_tag_of(hit->tlb, &hit->at),
				   .first = hit->input,
				   .last = hit->input + (bytes ? bytes - 1 : 0) };

	tlb_visit(hit->tlb, &scope, note_other, &others);
	if (others.n && other)
		atc_describe(set->atcs[device], device, &others.other, other);
	return others.n;
}

bool atc_overlapped(const struct atc_hit *hit)
{
	struct others others = { .self = &hit->at };
	struct tlb_scope scope = { .tag = tlb_tag_of(hit->tlb, &hit->at),
				   .first = tlb_first(hit->tlb, &hit->at),
				   .last = tlb_last(hit->tlb, &hit->at) };

	tlb_visit(hit->tlb, &scope, note_other, &others);
	return others.n;
}

struct each {
	const struct atc *atc;
	uint32_t device;
	void (*visit)(void *ctx, const struct cached_copy *copy);
	void *ctx;
};

static bool visit_one(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	const struct each *each = ctx;
	struct cached_copy copy;

	(void)tlb;
	atc_describe(each->atc, each->device, at, &copy);
	each->visit(each->ctx, &copy);
	return false;
}

void atc_each(const struct atc_set *set, void (*visit)(void *ctx, const struct cached_copy *copy),
	      void *ctx)
{
	struct tlb_scope all = { .any_tag = true, .last = UINT64_MAX };

	for (uint32_t device = 0; device < set->n; device++) {
		struct each each = { set->atcs[device], device, visit, ctx };

		if (each.atc)
			tlb_visit(each.atc->tlb, &all, visit_one, &each);
	}
}

struct by_output {
	const struct atc *atc;
	pa_t pa;
	bool ended;
	bool (*visit)(void *ctx, uint32_t pasid, iova_t iova, const struct atc_hit *hit);
	void *ctx;
};

static bool leads_to(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	struct by_output *search = ctx;
	pa_t base = bits_at(*at->data, 51, 12), page = low_mask(at->copy->page_lg2);
	const struct atc_form *form = &search->atc->forms[tlb_tag_of(tlb, at)];
	struct atc_hit hit = { .tlb = tlb,
			       .at = *at,
			       .input_bits = form->input_bits,
			       .privileged = form->privileged };

	if (search->ended || search->pa < base || search->pa - base > page)
		return false;
	hit.input = tlb_first(tlb, at) + (search->pa - base);
	search->ended = !search->visit(search->ctx, form->pasid,
				       atc_iova_of(form->input_bits, hit.input), &hit);
	return false;
}

void atc_by_output(const struct atc_set *set, uint32_t device, pa_t pa,
		   bool (*visit)(void *ctx, uint32_t pasid, iova_t iova, const struct atc_hit *hit),
		   void *ctx)
{
	struct by_output search = { .pa = pa, .visit = visit, .ctx = ctx };
	struct tlb_scope all = { .any_tag = true, .last = UINT64_MAX };

	if (!atc_has(set, device))
		return;
	search.atc = set->atcs[device];
	tlb_visit(search.atc->tlb, &all, leads_to, &search);
}
