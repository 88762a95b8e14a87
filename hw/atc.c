#include "hw/atc_private.h"

#include <stdlib.h>
#include <string.h>

/* ---- the devices' caches --------------------------------------------------------------------- */

void atc_set_init(struct atc_set *set, const struct tlb_geometry *sizes, struct iommu *iommu,
		  const struct iommu_observer *observer)
{
	set->sizes = *sizes;
	set->iommu = iommu;
	set->observer = observer;
	set->rng = sizes->seed * 2 + 1;
	set->generation = 1;
}

bool atc_of_dma(const struct atc_set *set, uint32_t device)
{
	return set->atcs[device]->dma;
}

static void destroy(struct atc *atc)
{
	if (!atc)
		return;
	tlb_destroy(atc->tlb);
	free(atc->forms);
	free(atc);
}

void atc_set_free(struct atc_set *set)
{
	for (uint32_t i = 0; i < set->n; i++)
		destroy(set->atcs[i]);
	free(set->atcs);
	set->atcs = NULL;
	set->n = 0;
}

static int make_room(struct atc_set *set, uint32_t device)
{
	uint32_t n = set->n ? set->n : 16;
	struct atc **atcs;

	if (device < set->n)
		return 0;
	while (n <= device)
		n *= 2;
	atcs = realloc(set->atcs, n * sizeof(struct atc *));
	if (!atcs)
		return -1;
	memset(atcs + set->n, 0, (n - set->n) * sizeof(struct atc *));
	set->atcs = atcs;
	set->n = n;
	return 0;
}

int atc_add(struct atc_set *set, uint32_t device, const struct device_tlb *tlb, struct err *err)
{
	struct tlb_geometry geometry = set->sizes;
	struct atc *atc;

	if (!tlb->sets)
		return 0;
	if (make_room(set, device))
		return err_no_memory(err, "device TLBs");
	if (set->atcs[device])
		return 0;
	atc = calloc(1, sizeof *atc);
	if (!atc)
		return err_no_memory(err, "device TLBs");
	atc->dma = tlb->dma;
	geometry.seed += device;
	geometry.sets = tlb->sets;
	geometry.ways = tlb->ways;
	geometry.replacement = tlb->replacement;
	if (tlb_create(&geometry, "device TLB", &atc->tlb, err)) {
		free(atc);
		return -1;
	}
	set->atcs[device] = atc;
	return 0;
}

/* ---- forms ----------------------------------------------------------------------------------- */

static bool canonical(iova_t iova, unsigned input_bits)
{
	uint64_t sign = iova >> (input_bits - 1);

	return sign == 0 || sign == low_mask(65 - input_bits);
}

/* The address as copies of the form are found by; false: none of them can translate it. */
static bool input_of(const struct atc_set *set, unsigned input_bits, iova_t iova, iova_t *input)
{
	if (!input_bits) {
		*input = iova;
		return iova <= low_mask(set->sizes.address_bits);
	}
	*input = iova & low_mask(input_bits);
	return canonical(iova, input_bits);
}

/* ---- lookup ------------------------------------------------------------------------------------ */

/* R4: a two-stage copy of an older generation counts as having its bit set. */
static void check_generation(struct atc_set *set, uint32_t device, const struct tlb_at *at)
{
	struct atc_visit visit = atc_visit_of(set, device);

	if (!at->copy->generation || at->copy->generation == set->generation)
		return;
	at->copy->generation = set->generation;
	visit.reason = CHECK_UPDATE;
	visit.changed = set->generation_changed;
	if (!(*at->data & TLB_CHECK))
		atc_doubt(&visit, at);
}

/* Which of several matching copies answers: nothing is promised. */
static void choose(struct atc_set *set, uint64_t tag, iova_t input, struct atc_hit *hit)
{
	struct tlb *tlb = hit->tlb;

	for (unsigned i = 0; i < tlb->n_live; i++) {
		struct tlb_at other;
		bool take;

		if (!tlb_at(tlb, tag, input, tlb->live_lg2[i], &other) ||
		    other.copy == hit->at.copy)
			continue;
		if (set->multi_hit == ATC_RANDOM) {
			set->rng = set->rng * 6364136223846793005ull + 1442695040888963407ull;
			take = set->rng >> 63;
		} else {
			take = (other.copy->serial < hit->at.copy->serial) ==
			       (set->multi_hit == ATC_OLDEST);
		}
		if (take)
			hit->at = other;
	}
}

static bool find_in(struct atc_set *set, uint32_t device, uint32_t tag, iova_t iova,
		    struct atc_hit *hit)
{
	const struct atc *atc = set->atcs[device];
	const struct atc_form *form = &atc->forms[tag];
	struct tlb_hit found;

	if (!input_of(set, form->input_bits, iova, &hit->input) ||
	    !tlb_lookup(atc->tlb, 12, tag, hit->input, &found))
		return false;
	hit->tlb = atc->tlb;
	hit->at = tlb_at_way(found.way);
	hit->input_bits = form->input_bits;
	hit->privileged = form->privileged;
	if (hit->at.copy->reasons & CHECK_OVERLAP)
		choose(set, tag, hit->input, hit);
	check_generation(set, device, &hit->at);
	return true;
}

bool atc_find(struct atc_set *set, const struct dma_request *request, struct atc_hit *hit)
{
	struct atc *atc = set->atcs[request->device];

	if (atc->last < atc->n_forms && atc_form_serves(&atc->forms[atc->last], request) &&
	    find_in(set, request->device, atc->last, request->iova, hit))
		return true;
	for (uint32_t tag = 0; tag < atc->n_forms; tag++) {
		if (!atc_form_serves(&atc->forms[tag], request) || tag == atc->last ||
		    !find_in(set, request->device, tag, request->iova, hit))
			continue;
		atc->last = tag;
		return true;
	}
	return false;
}

bool atc_holds(const struct atc_set *set, const struct dma_request *request)
{
	const struct atc *atc = set->atcs[request->device];
	struct tlb_at at;
	iova_t input;

	for (uint32_t tag = 0; tag < atc->n_forms; tag++) {
		if (!atc_form_serves(&atc->forms[tag], request) ||
		    !input_of(set, atc->forms[tag].input_bits, request->iova, &input))
			continue;
		for (unsigned i = 0; i < atc->tlb->n_live; i++)
			if (tlb_at(atc->tlb, tag, input, atc->tlb->live_lg2[i], &at))
				return true;
	}
	return false;
}

/* ---- fill ------------------------------------------------------------------------------------- */

static bool evict_copy(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	const struct atc_visit *visit = ctx;

	(void)tlb;
	visit->set->count.evictions++;
	atc_closes(visit, at);
	return true;
}

static void empty(struct atc_set *set, uint32_t device)
{
	struct atc_visit visit = atc_visit_of(set, device);
	struct tlb_scope all = { .any_tag = true, .last = UINT64_MAX };

	tlb_visit(visit.atc->tlb, &all, evict_copy, &visit);
}

/* The tag of a form. When the numbers have run out, all goes, as an eviction. */
static uint32_t tag_of(struct atc_set *set, const struct atc_fill *fill)
{
	const struct atc_form form = { fill->pasid, fill->input_bits, fill->privileged };
	struct atc *atc = set->atcs[fill->device];

	for (uint32_t tag = 0; tag < atc->n_forms; tag++)
		if (atc->forms[tag].pasid == form.pasid &&
		    atc->forms[tag].input_bits == form.input_bits &&
		    atc->forms[tag].privileged == form.privileged)
			return tag;
	if (!tlb_tag_fits(atc->tlb, atc->n_forms)) {
		empty(set, fill->device);
		atc->n_forms = 0;
	}
	if (atc->n_forms == atc->max_forms) {
		uint32_t max = atc->max_forms ? atc->max_forms * 2 : 4;
		struct atc_form *forms = realloc(atc->forms, max * sizeof *forms);

		if (!forms)
			abort();
		atc->forms = forms;
		atc->max_forms = max;
	}
	atc->forms[atc->n_forms] = form;
	return atc->n_forms++;
}

static bool replace_copy(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	const struct atc_visit *visit = ctx;

	(void)tlb;
	atc_closes(visit, at);
	return true;
}

struct overlap {
	struct atc_visit visit;
	const struct dma_request *request;
	struct cached_copy filled;
	bool any;
};

static bool note_overlap(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	struct overlap *overlap = ctx;
	struct cached_copy valid;

	(void)tlb;
	overlap->any = true;
	if (MARK(MARK_ATC_OVERLAP_VALID))
		atc_doubt(&overlap->visit, at);
	atc_describe(overlap->visit.atc, overlap->visit.device, at, &valid);
	overlap->visit.set->observer->overlap(overlap->visit.set->observer->self,
					      overlap->visit.set->iommu->event, overlap->request,
					      &overlap->filled, &valid);
	return false;
}

/* R5: a fill sets the bit on itself and on every copy of another size that it overlaps. */
static bool overlaps(struct atc_set *set, const struct atc_fill *fill, uint32_t tag, iova_t first,
		     unsigned page_lg2, uint64_t data, const struct dma_request *request)
{
	struct overlap overlap = {
		.visit = atc_visit_of(set, fill->device),
		.request = request,
		.filled = { .structure = STRUCTURE_ATC,
			    .perm = (uint8_t)(data & TLB_PERM),
			    .page_lg2 = (uint8_t)page_lg2,
			    .space = fill->space,
			    .tag = fill->device,
			    .pasid = fill->pasid,
			    .serves = fill->pasid,
			    .first = atc_iova_of(fill->input_bits, first),
			    .last = atc_iova_of(fill->input_bits, first) + low_mask(page_lg2),
			    .pa = bits_at(data, 51, 12),
			    .filled = set->iommu->event,
			    .changed = NO_EVENT },
	};
	struct tlb_scope scope = { .tag = tag, .first = first, .last = first + low_mask(page_lg2) };

	overlap.visit.reason = CHECK_OVERLAP;
	overlap.visit.changed = NO_EVENT;
	tlb_visit(set->atcs[fill->device]->tlb, &scope, note_overlap, &overlap);
	return overlap.any;
}

static unsigned held_size(const struct atc_set *set, unsigned page_lg2)
{
	unsigned best = 12;

	for (unsigned i = 0; i < TLB_SIZES && set->sizes.page_lg2[i]; i++)
		if (set->sizes.page_lg2[i] <= page_lg2 && set->sizes.page_lg2[i] > best)
			best = set->sizes.page_lg2[i];
	return best;
}

/* A copy of the same page has to go first: the device asked again for more rights. */
static void remove_page(struct atc_set *set, uint32_t device, uint32_t tag, iova_t input,
			unsigned page_lg2)
{
	struct atc_visit visit = atc_visit_of(set, device);
	struct tlb_scope scope = { .tag = tag, .first = input, .last = input };
	struct tlb_at at;

	if (tlb_at(visit.atc->tlb, tag, input, page_lg2, &at))
		tlb_visit(visit.atc->tlb, &scope, replace_copy, &visit);
}

void atc_put(struct atc_set *set, const struct atc_fill *fill, const struct dma_request *request,
	     struct atc_hit *hit)
{
	uint32_t tag = tag_of(set, fill);
	struct tlb *tlb = set->atcs[fill->device]->tlb;
	struct atc_visit visit = atc_visit_of(set, fill->device);
	struct ats_completion completion;
	struct tlb_evicted gone;
	struct tlb_copy copy;
	uint64_t data;
	unsigned lg2;

	ats_completion_unpack(fill->completion, &completion);
	lg2 = held_size(set, completion.page_lg2);
	input_of(set, fill->input_bits, fill->iova, &hit->input);
	data = completion.pa | (hit->input & low_mask(completion.page_lg2) & ~low_mask(lg2)) |
	       completion.perm | (completion.non_snooped ? 0 : TLB_SNOOP);
	copy = (struct tlb_copy){ .filled = set->iommu->event,
				  .space = fill->space,
				  .reasons = MARK(MARK_ATC_INHERIT) ? fill->reasons : 0,
				  .page_lg2 = (uint8_t)lg2,
				  .generation = fill->two_stage ? set->generation : 0 };
	if (tlb_know_space(tlb, fill->space))
		abort();
	remove_page(set, fill->device, tag, hit->input, lg2);
	if (overlaps(set, fill, tag, hit->input & ~low_mask(lg2), lg2, data, request) &&
	    MARK(MARK_ATC_OVERLAP_FILL))
		copy.reasons |= CHECK_OVERLAP;
	if (tlb_must_empty(tlb))
		empty(set, fill->device);
	hit->tlb = tlb;
	hit->input_bits = fill->input_bits;
	hit->privileged = fill->privileged;
	hit->at = tlb_fill(tlb, tag, hit->input, data | (copy.reasons ? TLB_CHECK : 0), &copy,
			   fill->changed, &gone);
	hit->at.copy->serial = ++set->serial; /* names it among all devices' */
	set->count.fills++;
	set->count.evictions += gone.data != 0;
	if (gone.data & TLB_CHECK)
		atc_closes(&visit,
			   &(struct tlb_at){ &gone.key, &gone.data, &gone.copy, &gone.changed });
	atc_opens(&visit, &hit->at);
}
