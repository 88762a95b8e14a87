/*
 * Each request again: which copies could have served it is found among all that the caches held
 * before, what truth said then is compared with what was served, and what became of it in the caches
 * is looked at afterwards.
 */
#include <stdio.h>

#include "analysis/verify_private.h"

/* The copies that a request met, of copies.before. */
struct met {
	const struct watched *outer, *config; /* NULL: read from memory */
	uint64_t tag;
	uint32_t pasid, space;
	bool tagged;
	const struct watched *translation, *other, *pointer;
	uint32_t matches;
};

void requests_before(void *self, uint64_t event, const struct dma_request *page, uint32_t unit)
{
	struct verifier *verifier = self;
	struct iommu *iommu = replay_unit(verifier->replay, unit)->iommu;
	struct dma_request any = *page;

	(void)event;
	verifier->truth = verifier->page = (struct dma_result){ 0 };
	iommu->model->truth(iommu, page, &verifier->truth);
	any.access = 0;
	iommu->model->truth(iommu, &any, &verifier->page);
	verifier->reported = false;
}

/* ---- what it met --------------------------------------------------------------------------------------- */

static bool serves(const struct cached_copy *copy, uint32_t requester_id, uint32_t pasid)
{
	return copy->structure == STRUCTURE_CONFIG && requester_id >= copy->first &&
	       requester_id <= copy->last &&
	       (copy->serves == pasid || (copy->serves_both && pasid == NO_PASID));
}

static void note_tag(struct met *met, const struct watched *config)
{
	met->tagged = true;
	met->tag = config->copy.tag;
	met->pasid = config->copy.pasid;
	met->space = config->copy.space;
}

/* Cached configuration; what the request itself has read into the cache says the tag as well. */
static void find_config(const struct verifier *verifier, uint32_t unit, uint32_t requester_id,
			uint32_t pasid, struct met *met)
{
	for (size_t i = 0; i < verifier->copies.before.n; i++) {
		const struct watched *watched =
			LIST_AT(&verifier->copies.before, struct watched, i);

		if (watched->unit != unit || watched->copy.structure != STRUCTURE_CONFIG ||
		    requester_id < watched->copy.first || requester_id > watched->copy.last)
			continue;
		if (!watched->copy.tagged) {
			met->outer = watched;
		} else if (serves(&watched->copy, requester_id, pasid)) {
			met->config = watched;
			note_tag(met, watched);
		}
	}
	for (size_t i = 0; i < verifier->copies.now.n && !met->tagged; i++) {
		const struct watched *watched = LIST_AT(&verifier->copies.now, struct watched, i);

		if (watched->unit == unit && watched->copy.tagged &&
		    serves(&watched->copy, requester_id, pasid))
			note_tag(met, watched);
	}
}

static bool covers(const struct met *met, const struct watched *watched, uint32_t unit, iova_t iova)
{
	return watched->unit == unit && watched->copy.tag == met->tag &&
	       watched->copy.pasid == met->pasid && watched->copy.first <= iova &&
	       watched->copy.last >= iova;
}

/* Several translations match: which one answers is the model's choice, and it says which. */
static bool answered(const struct verifier *verifier, const struct watched *watched)
{
	return verifier->reported && verifier->use_copy.structure == STRUCTURE_TLB &&
	       verifier->use_copy.serial == watched->copy.serial;
}

static void find_copies(const struct verifier *verifier, uint32_t unit, iova_t iova,
			struct met *met)
{
	for (size_t i = 0; i < verifier->copies.before.n && met->tagged; i++) {
		const struct watched *watched =
			LIST_AT(&verifier->copies.before, struct watched, i);

		if (!covers(met, watched, unit, iova))
			continue;
		if (watched->copy.structure == STRUCTURE_TLB) {
			met->matches++;
			if (!met->translation || answered(verifier, watched)) {
				met->other = met->translation;
				met->translation = watched;
			} else {
				met->other = watched;
			}
		} else if (watched->copy.structure == STRUCTURE_WALK_CACHE &&
			   (!met->pointer || watched->copy.level < met->pointer->copy.level)) {
			met->pointer = watched;
		}
	}
}

/* ---- what is found --------------------------------------------------------------------------------------- */

void verify_differs(struct verifier *verifier, uint64_t event, const struct dma_request *page,
		    const struct dma_result *served, const struct dma_result *truth,
		    const char *what)
{
	if (verifier->differences++)
		return;
	snprintf(verifier->first, sizeof verifier->first,
		 "event %llu, iova 0x%llx: %s; served %s 0x%llx, truth %s 0x%llx",
		 (unsigned long long)event, (unsigned long long)page->iova, what,
		 served->outcome == OUTCOME_OK ? "address" : "fault",
		 (unsigned long long)(served->outcome == OUTCOME_OK ? served->pa : served->fault),
		 truth->outcome == OUTCOME_OK ? "address" : "fault",
		 (unsigned long long)(truth->outcome == OUTCOME_OK ? truth->pa : truth->fault));
}

static enum verdict verdict_of(const struct dma_result *served, const struct dma_result *truth,
			       unsigned doubt)
{
	if (dma_granted(served) && (!dma_granted(truth) || truth->pa != served->pa))
		return VERDICT_STALE_USE;
	if (!dma_granted(served) && dma_granted(truth))
		return served->outcome == OUTCOME_FAULT || served->outcome == OUTCOME_OK
			       ? VERDICT_STALE_REFUSAL
			       : VERDICT_FRESH;
	return (doubt & (CHECK_UPDATE | CHECK_SOURCE)) && dma_granted(served) ? VERDICT_BENIGN
									      : VERDICT_FRESH;
}

static uint64_t earlier(uint64_t event, uint64_t other)
{
	return other < event ? other : event;
}

static void stale_use(struct verifier *verifier, uint64_t event, const struct dma_request *page,
		      const struct dma_result *served, const struct watched *blamed)
{
	uint32_t domain = verify_domain_of(verifier, &blamed->copy);
	uint32_t at = domain == NAME_NONE ? NO_PIECE
					  : opened_find(verifier, domain, page->iova, served->pa);
	uint32_t owner =
		domain == NAME_NONE ? NAME_NONE : replay_domain(verifier->replay, domain)->owner;
	struct finding finding = finding_at(FINDING_STALE_USE, 0, event, page->time_ns);
	uint64_t update = blamed->changed, doubt_ns;

	if (at != NO_PIECE) {
		const struct piece *piece = LIST_AT(&verifier->pieces, struct piece, at);
		struct opened *window = LIST_AT(&verifier->windows, struct opened, piece->window);

		owner = piece->owner;
		update = window->event;
		window->uses++;
		finding.lag_ns = page->time_ns - window->time_ns;
		doubt_ns = replay_machine(verifier->replay)->run.uncertainty;
		finding.uncertain = doubt_ns && finding.lag_ns <= doubt_ns;
	}
	finding.iova = page->iova;
	finding.pa = served->pa;
	if (verifier->truth.outcome == OUTCOME_OK)
		finding.truth_pa = verifier->truth.pa;
	finding.subtype = owned_grade(verifier, served->pa, owner, update);
	finding.uncertain |= verify_lost_since(verifier, earlier(event, update));
	derive(verifier, &finding);
}

static void request_finding(struct verifier *verifier, enum finding_kind kind, unsigned subtype,
			    uint64_t event, const struct dma_request *page, uint64_t since,
			    uint64_t pa, uint64_t truth_pa)
{
	struct finding finding = finding_at(kind, subtype, event, page->time_ns);

	finding.iova = page->iova;
	finding.pa = pa;
	finding.truth_pa = truth_pa;
	finding.uncertain = verify_lost_since(verifier, earlier(event, since));
	derive(verifier, &finding);
}

static void find(struct verifier *verifier, uint64_t event, const struct dma_request *page,
		 const struct dma_result *served, const struct met *met,
		 const struct watched *blamed, enum verdict verdict)
{
	if (met->matches > 1 && served->cached)
		request_finding(verifier, FINDING_MULTI_HIT, MULTI_HIT_REQUEST, event, page,
				earlier(met->translation->copy.filled, met->other->copy.filled), 0,
				0);
	if (verdict == VERDICT_STALE_USE)
		stale_use(verifier, event, page, served, blamed);
	else if (verdict == VERDICT_STALE_REFUSAL)
		request_finding(verifier, FINDING_STALE_REFUSAL, 0, event, page, blamed->changed, 0,
				verifier->truth.pa);
	else if (verdict == VERDICT_BENIGN)
		request_finding(verifier, FINDING_BENIGN_STALE, 0, event, page, blamed->changed,
				served->pa, 0);
}

/* A walk that read a table page after it was given back. */
static void walked_freed(struct verifier *verifier, uint64_t event, const struct dma_request *page,
			 const struct met *met)
{
	struct finding finding = finding_at(FINDING_TABLE_UAF, UAF_USED, event, page->time_ns);
	const struct domain *domain = replay_domain_of_space(verifier->replay, met->space);
	uint64_t freed;
	pa_t word;

	if (!domain ||
	    !freed_walk(verifier, met->pointer, domain->number, page->iova, &freed, &word))
		return;
	finding.iova = page->iova;
	finding.pa = word;
	finding.uncertain = verify_lost_since(verifier, earlier(event, freed));
	derive(verifier, &finding);
}

static const char *wrong(enum verdict said, enum verdict expected)
{
	static const char *const expectations[] = {
		[VERDICT_FRESH] = "reported, but nothing on the way was in doubt",
		[VERDICT_BENIGN] = "in doubt by an update and right, and none said so",
		[VERDICT_STALE_USE] = "stale, and no check bit said so",
		[VERDICT_STALE_REFUSAL] = "refused though mapped, and no check bit said so",
	};

	return expected == VERDICT_FRESH && said != VERDICT_BENIGN
		       ? "reported as stale, but it equals truth"
		       : expectations[expected];
}

/* ---- device TLBs ---------------------------------------------------------------------------------------- */

/* Copies in the device's own TLB that cover the address; *copy: one of them that leads to pa. */
static uint32_t in_device_tlb(const struct verifier *verifier, uint32_t unit,
			      const struct dma_request *page, pa_t pa, const struct watched **copy)
{
	uint32_t n = 0;

	for (size_t i = 0; i < verifier->copies.before.n; i++) {
		const struct watched *watched =
			LIST_AT(&verifier->copies.before, struct watched, i);

		if (watched->unit != unit || watched->copy.structure != STRUCTURE_ATC ||
		    watched->copy.tag != page->device || watched->copy.pasid != page->pasid ||
		    watched->copy.first > page->iova || watched->copy.last < page->iova)
			continue;
		n++;
		if (watched->copy.pa + (page->iova - watched->copy.first) == pa)
			*copy = watched;
	}
	return n;
}

/* A translated request names an output address; which copy gave it, of those that lead there, is the
 * model's choice, and it says which. request: becomes what that stands for. */
static const struct watched *translated_by(const struct verifier *verifier, uint32_t unit,
					   struct dma_request *request,
					   const struct watched *otherwise)
{
	for (size_t i = 0; i < verifier->copies.before.n && verifier->reported; i++) {
		const struct watched *watched =
			LIST_AT(&verifier->copies.before, struct watched, i);
		pa_t offset = request->iova - watched->copy.pa;

		if (watched->unit != unit || watched->copy.structure != STRUCTURE_ATC ||
		    watched->copy.serial != verifier->use_copy.serial ||
		    offset > watched->copy.last - watched->copy.first)
			continue;
		request->iova = watched->copy.first + offset;
		return watched;
	}
	return otherwise;
}

/*
 * A request of a device with a device TLB: what was reported of it is compared with truth, several
 * matching copies in its TLB must be told, and a use or refusal is derived from the copy that led there: of
 * its TLB, or where it asked, of the unit. Which copies are in doubt is not derived here, nor
 * from then on for other devices, whose IOTLB it fills.
 */
static void device_request(struct verifier *verifier, uint64_t event,
			   const struct dma_request *page, const struct dma_result *served,
			   uint32_t unit)
{
	static const struct watched nothing = { .changed = NO_EVENT };
	enum verdict said = verifier->reported && verifier->use.verdict != VERDICT_BENIGN
				    ? verifier->use.verdict
				    : VERDICT_FRESH;
	enum verdict expected = verdict_of(served, &verifier->truth, 0);
	const struct watched *blamed = NULL;
	struct met met = { 0 };
	uint32_t matches = in_device_tlb(verifier, unit, page, served->pa, &blamed);
	struct dma_request input = *page;

	verifier->doubt_known = false;
	if (said != expected)
		verify_differs(verifier, event, page, served, &verifier->truth,
			       wrong(said, expected));
	find_config(verifier, unit,
		    replay_device(verifier->replay, unit, page->device)->requester_id, page->pasid,
		    &met);
	find_copies(verifier, unit, page->iova, &met);
	if (!blamed || !dma_granted(served))
		blamed = met.translation ? met.translation : met.config ? met.config : &nothing;
	met.matches = 0; /* which answered is not derived */
	if (page->type == DMA_TRANSLATED && !matches)
		blamed = translated_by(verifier, unit, &input, &nothing);
	find(verifier, event, &input, served, &met, blamed, expected);
	if (page->type != DMA_TRANSLATION_REQUEST && page->len && dma_granted(served) &&
	    served->cached && matches > 1 && (!verifier->reported || verifier->use.matches < 2))
		verify_differs(verifier, event, page, served, &verifier->truth,
			       "several entries match, and none said so");
}

void requests_served(void *self, uint64_t event, const struct dma_request *page,
		     const struct dma_result *served, uint32_t unit)
{
	struct verifier *verifier = self;
	const struct device *device = replay_device(verifier->replay, unit, page->device);
	static const struct watched nothing = { .changed = NO_EVENT };
	const struct watched *used, *blamed;
	struct met met = { 0 };
	enum verdict expected, said = verifier->reported ? verifier->use.verdict : VERDICT_FRESH;
	bool from_doubt;
	uint64_t changed;

	verifier->checked++;
	if (!copies_look(&verifier->copies, verifier->replay))
		verify_fails(verifier);
	doubt_tags(verifier);
	if (device->ats) {
		device_request(verifier, event, page, served, unit);
		opened_look(verifier);
		freed_look(verifier);
		return;
	}
	find_config(verifier, unit, device->requester_id, page->pasid, &met);
	find_copies(verifier, unit, page->iova, &met);
	used = served->cached ? met.translation : met.pointer;
	blamed = used && used->doubt		 ? used
		 : met.outer && met.outer->doubt ? met.outer
		 : met.config			 ? met.config
						 : &nothing;
	expected = verdict_of(served, &verifier->truth, blamed->doubt);
	if (!verifier->doubt_known && said != expected &&
	    (said == VERDICT_BENIGN || expected == VERDICT_BENIGN))
		said = expected = VERDICT_FRESH;
	if (said != expected)
		verify_differs(verifier, event, page, served, &verifier->truth,
			       wrong(said, expected));
	find(verifier, event, page, served, &met, blamed, expected);
	if (!served->cached && met.tagged)
		walked_freed(verifier, event, page, &met);
	from_doubt = blamed->doubt;
	changed = blamed->changed;
	if (blamed->doubt)
		doubt_proven(verifier, used, unit, page);
	doubt_filled(verifier, from_doubt, changed, page, unit);
	opened_look(verifier);
	freed_look(verifier);
}
