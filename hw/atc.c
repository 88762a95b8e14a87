#include "hw/atc.h"
#include "hw/marks.h"

#include <stdlib.h>
#include <string.h>

/* ---- translation completion ---------------------------------------------------------------- */

enum { ATS_R, ATS_W, ATS_U, ATS_EXE, ATS_GLOBAL = 5, ATS_N = 10, ATS_S = 11 };

uint64_t ats_completion_pack(const struct ats_completion *completion)
{
	unsigned lg2 = completion->page_lg2;
	uint64_t word = completion->pa & ~low_mask(lg2);

	if (lg2 > 12) /* ones up to the size, ended by a zero */
		word |= 1ull << ATS_S | (low_mask(lg2 - 1) & ~low_mask(12));
	word |= completion->perm & TLB_READ ? 1ull << ATS_R : 0;
	word |= completion->perm & TLB_WRITE ? 1ull << ATS_W : 0;
	word |= completion->perm & TLB_EXECUTE ? 1ull << ATS_EXE : 0;
	word |= (uint64_t)completion->untranslated_only << ATS_U;
	word |= (uint64_t)completion->global << ATS_GLOBAL;
	return word | (uint64_t)completion->non_snooped << ATS_N;
}

void ats_completion_unpack(uint64_t word, struct ats_completion *completion)
{
	unsigned lg2 = bit(word, ATS_S) ? 13u + (unsigned)__builtin_ctzll(~(word >> 12)) : 12u;

	*completion = (struct ats_completion){
		.pa = word & ~low_mask(lg2),
		.page_lg2 = (uint8_t)lg2,
		.perm = (uint8_t)((bit(word, ATS_R) ? TLB_READ : 0) |
				  (bit(word, ATS_W) ? TLB_WRITE : 0) |
				  (bit(word, ATS_EXE) ? TLB_EXECUTE : 0)),
		.non_snooped = bit(word, ATS_N),
		.global = bit(word, ATS_GLOBAL),
		.untranslated_only = bit(word, ATS_U),
	};
}

/* ---- the devices' caches --------------------------------------------------------------------- */

/* What a tag of copies stands for. */
struct form {
	uint32_t pasid;
	uint8_t input_bits;
};

struct atc {
	struct tlb *tlb;
	struct form *forms; /* by tag */
	uint32_t n_forms, max_forms;
	uint32_t last; /* form that was found last */
};

void atc_set_init(struct atc_set *set, const struct tlb_geometry *geometry, struct iommu *iommu,
		  const struct iommu_observer *observer)
{
	set->geometry = *geometry;
	set->iommu = iommu;
	set->observer = observer;
	set->rng = geometry->seed * 2 + 1;
	set->generation = 1;
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

int atc_add(struct atc_set *set, uint32_t device, struct err *err)
{
	struct tlb_geometry geometry = set->geometry;
	struct atc *atc;

	if (make_room(set, device))
		return err_no_memory(err, "device TLBs");
	if (set->atcs[device])
		return 0;
	atc = calloc(1, sizeof *atc);
	if (!atc)
		return err_no_memory(err, "device TLBs");
	geometry.seed += device;
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
		return iova <= low_mask(set->geometry.address_bits);
	}
	*input = iova & low_mask(input_bits);
	return canonical(iova, input_bits);
}

static iova_t iova_of(unsigned input_bits, iova_t input)
{
	return input_bits && bit(input, input_bits - 1) ? input | ~low_mask(input_bits) : input;
}

/* ---- telling ---------------------------------------------------------------------------------- */

static void describe(const struct atc *atc, uint32_t device, const struct tlb_at *at,
		     struct cached_copy *copy)
{
	const struct form *form = &atc->forms[tlb_tag_of(atc->tlb, at)];
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
		.first = iova_of(form->input_bits, tlb_first(atc->tlb, at)),
		.last = iova_of(form->input_bits, tlb_last(atc->tlb, at)),
		.pa = bits_at(*at->data, 51, 12),
		.filled = at->copy->filled,
		.changed = check ? *at->changed : NO_EVENT,
	};
}

void atc_copy_of(const struct atc_set *set, uint32_t device, const struct atc_hit *hit,
		 struct cached_copy *copy)
{
	describe(set->atcs[device], device, &hit->at, copy);
}

/* What a visit of one device's copies works with. */
struct visit {
	struct atc_set *set;
	const struct atc *atc;
	uint32_t device;
	unsigned reason;
	uint64_t changed;
	struct inval_report *report;
};

/* Copies that may grant what is gone; an overlap alone grants nothing gone. */
static bool told(const struct tlb_at *at)
{
	return (*at->data & TLB_CHECK) && (at->copy->reasons & ~CHECK_OVERLAP);
}

static void opens(const struct visit *visit, const struct tlb_at *at)
{
	struct cached_copy copy;
	struct doubted_copy doubted;

	if (!told(at))
		return;
	describe(visit->atc, visit->device, at, &copy);
	doubted = doubted_copy_of(&copy);
	visit->set->observer->copy_opens(visit->set->observer->self, &doubted);
}

static void closes(const struct visit *visit, const struct tlb_at *at)
{
	if (told(at))
		visit->set->observer->copy_closes(visit->set->observer->self,
						  copy_name(STRUCTURE_ATC, 0, at->copy->serial));
}

static struct visit visit_of(struct atc_set *set, uint32_t device)
{
	return (struct visit){ .set = set, .atc = set->atcs[device], .device = device };
}

static void doubt(const struct visit *visit, const struct tlb_at *at)
{
	if (visit->changed != NO_EVENT || !(*at->data & TLB_CHECK))
		*at->changed = visit->changed;
	*at->data |= TLB_CHECK;
	at->copy->reasons |= (uint8_t)visit->reason;
	opens(visit, at);
}

static bool mark_copy(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	(void)tlb;
	doubt(ctx, at);
	return false;
}

/* ---- lookup ------------------------------------------------------------------------------------ */

/* R4: a two-stage copy of an older generation counts as having its bit set. */
static void check_generation(struct atc_set *set, uint32_t device, const struct tlb_at *at)
{
	struct visit visit = visit_of(set, device);

	if (!at->copy->generation || at->copy->generation == set->generation)
		return;
	at->copy->generation = set->generation;
	visit.reason = CHECK_UPDATE;
	visit.changed = set->generation_changed;
	if (!(*at->data & TLB_CHECK))
		doubt(&visit, at);
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
	const struct form *form = &atc->forms[tag];
	struct tlb_hit found;

	if (!input_of(set, form->input_bits, iova, &hit->input) ||
	    !tlb_lookup(atc->tlb, 12, tag, hit->input, &found))
		return false;
	hit->tlb = atc->tlb;
	hit->at = tlb_at_way(found.way);
	hit->input_bits = form->input_bits;
	if (hit->at.copy->reasons & CHECK_OVERLAP)
		choose(set, tag, hit->input, hit);
	check_generation(set, device, &hit->at);
	return true;
}

bool atc_find(struct atc_set *set, uint32_t device, uint32_t pasid, iova_t iova,
	      struct atc_hit *hit)
{
	struct atc *atc = set->atcs[device];

	if (atc->last < atc->n_forms && atc->forms[atc->last].pasid == pasid &&
	    find_in(set, device, atc->last, iova, hit))
		return true;
	for (uint32_t tag = 0; tag < atc->n_forms; tag++) {
		if (atc->forms[tag].pasid != pasid || tag == atc->last ||
		    !find_in(set, device, tag, iova, hit))
			continue;
		atc->last = tag;
		return true;
	}
	return false;
}

bool atc_holds(const struct atc_set *set, uint32_t device, uint32_t pasid, iova_t iova)
{
	const struct atc *atc = set->atcs[device];
	struct tlb_at at;
	iova_t input;

	for (uint32_t tag = 0; tag < atc->n_forms; tag++) {
		if (atc->forms[tag].pasid != pasid ||
		    !input_of(set, atc->forms[tag].input_bits, iova, &input))
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
	const struct visit *visit = ctx;

	(void)tlb;
	visit->set->count.evictions++;
	closes(visit, at);
	return true;
}

static void empty(struct atc_set *set, uint32_t device)
{
	struct visit visit = visit_of(set, device);
	struct tlb_scope all = { .any_tag = true, .last = UINT64_MAX };

	tlb_visit(visit.atc->tlb, &all, evict_copy, &visit);
}

/* The tag of a PASID and form. When the numbers have run out, all goes, as an eviction. */
static uint32_t tag_of(struct atc_set *set, uint32_t device, uint32_t pasid, uint8_t input_bits)
{
	struct atc *atc = set->atcs[device];

	for (uint32_t tag = 0; tag < atc->n_forms; tag++)
		if (atc->forms[tag].pasid == pasid && atc->forms[tag].input_bits == input_bits)
			return tag;
	if (!tlb_tag_fits(atc->tlb, atc->n_forms)) {
		empty(set, device);
		atc->n_forms = 0;
	}
	if (atc->n_forms == atc->max_forms) {
		uint32_t max = atc->max_forms ? atc->max_forms * 2 : 4;
		struct form *forms = realloc(atc->forms, max * sizeof *forms);

		if (!forms)
			abort();
		atc->forms = forms;
		atc->max_forms = max;
	}
	atc->forms[atc->n_forms] = (struct form){ pasid, input_bits };
	return atc->n_forms++;
}

static bool replace_copy(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	const struct visit *visit = ctx;

	(void)tlb;
	closes(visit, at);
	return true;
}

struct overlap {
	struct visit visit;
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
		doubt(&overlap->visit, at);
	describe(overlap->visit.atc, overlap->visit.device, at, &valid);
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
		.visit = visit_of(set, fill->device),
		.request = request,
		.filled = { .structure = STRUCTURE_ATC,
			    .perm = (uint8_t)(data & TLB_PERM),
			    .page_lg2 = (uint8_t)page_lg2,
			    .space = fill->space,
			    .tag = fill->device,
			    .pasid = fill->pasid,
			    .serves = fill->pasid,
			    .first = iova_of(fill->input_bits, first),
			    .last = iova_of(fill->input_bits, first) + low_mask(page_lg2),
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

	for (unsigned i = 0; i < TLB_SIZES && set->geometry.page_lg2[i]; i++)
		if (set->geometry.page_lg2[i] <= page_lg2 && set->geometry.page_lg2[i] > best)
			best = set->geometry.page_lg2[i];
	return best;
}

/* A copy of the same page has to go first: the device asked again for more rights. */
static void remove_page(struct atc_set *set, uint32_t device, uint32_t tag, iova_t input,
			unsigned page_lg2)
{
	struct visit visit = visit_of(set, device);
	struct tlb_scope scope = { .tag = tag, .first = input, .last = input };
	struct tlb_at at;

	if (tlb_at(visit.atc->tlb, tag, input, page_lg2, &at))
		tlb_visit(visit.atc->tlb, &scope, replace_copy, &visit);
}

void atc_put(struct atc_set *set, const struct atc_fill *fill, const struct dma_request *request,
	     struct atc_hit *hit)
{
	uint32_t tag = tag_of(set, fill->device, fill->pasid, fill->input_bits);
	struct tlb *tlb = set->atcs[fill->device]->tlb;
	struct visit visit = visit_of(set, fill->device);
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
	hit->at = tlb_fill(tlb, tag, hit->input, data | (copy.reasons ? TLB_CHECK : 0), &copy,
			   fill->changed, &gone);
	hit->at.copy->serial = ++set->serial; /* names it among all devices' */
	set->count.fills++;
	set->count.evictions += gone.data != 0;
	if (gone.data & TLB_CHECK)
		closes(&visit,
		       &(struct tlb_at){ &gone.key, &gone.data, &gone.copy, &gone.changed });
	opens(&visit, &hit->at);
}

/* ---- invalidation, marks ------------------------------------------------------------------------ */

static bool remove_copy(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	const struct visit *visit = ctx;
	bool check = *at->data & TLB_CHECK;

	(void)tlb;
	visit->report->removed++;
	visit->report->stale += check;
	visit->report->agreed += !check;
	visit->set->count.invalidated++;
	closes(visit, at);
	return true;
}

/* The range as copies of the form count their input. */
static struct tlb_scope scope_of(uint32_t tag, const struct form *form, iova_t first, iova_t last)
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
	struct visit visit;

	if (!atc_has(set, device))
		return;
	visit = visit_of(set, device);
	visit.report = report;
	for (uint32_t tag = 0; tag < visit.atc->n_forms; tag++) {
		const struct form *form = &visit.atc->forms[tag];
		struct tlb_scope scope = scope_of(tag, form, first, last);

		if (pasid == form->pasid || (pasid == ALL_PASIDS && form->pasid != NO_PASID))
			tlb_visit(visit.atc->tlb, &scope, remove_copy, &visit);
	}
}

void atc_mark(struct atc_set *set, uint32_t space, iova_t first, iova_t last)
{
	struct tlb_scope scope = { .any_tag = true, .space = space, .first = first, .last = last };

	for (uint32_t device = 0; device < set->n; device++) {
		struct visit visit = visit_of(set, device);

		visit.reason = CHECK_UPDATE;
		visit.changed = set->iommu->event;
		if (visit.atc && MARK(MARK_ATC_UPDATE))
			tlb_visit(visit.atc->tlb, &scope, mark_copy, &visit);
	}
}

void atc_mark_device(struct atc_set *set, uint32_t device, uint32_t first, uint32_t last)
{
	struct visit visit;

	if (!atc_has(set, device) || !MARK(MARK_ATC_CONFIG))
		return;
	visit = visit_of(set, device);
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
		doubt(ctx, at);
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
		struct visit visit = visit_of(set, device);

		visit.reason = CHECK_UPDATE;
		visit.changed = set->iommu->event;
		if (visit.atc)
			tlb_visit(visit.atc->tlb, &all, mark_two_stage, &visit);
	}
}

void atc_proven(struct atc_set *set, uint32_t device, const struct atc_hit *hit)
{
	struct visit visit = visit_of(set, device);

	closes(&visit, &hit->at);
	*hit->at.data &= ~(uint64_t)TLB_CHECK;
	hit->at.copy->reasons = 0;
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
		describe(set->atcs[device], device, &others.other, other);
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
	describe(each->atc, each->device, at, &copy);
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
	const struct form *form = &search->atc->forms[tlb_tag_of(tlb, at)];
	struct atc_hit hit = { .tlb = tlb, .at = *at, .input_bits = form->input_bits };

	if (search->ended || search->pa < base || search->pa - base > page)
		return false;
	hit.input = tlb_first(tlb, at) + (search->pa - base);
	search->ended = !search->visit(search->ctx, form->pasid,
				       iova_of(form->input_bits, hit.input), &hit);
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
