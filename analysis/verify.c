#include "analysis/verify.h"

#include <stdio.h>
#include <stdlib.h>

struct verifier {
	struct replay *replay;
	const struct iommu_observer *caches;
	struct replay_observer replay_observer;
	struct iommu_observer iommu_observer;
	/* of the request at hand */
	uint32_t matches, in_atc; /* in_atc: of its device TLB */
	struct dma_result truth;  /* from before it was served */
	bool reported;
	struct checked_use use;
	uint64_t checked, differences;
	char first[400];
};

/* ---- brute force over all copies --------------------------------------------------------------- */

struct search {
	uint32_t requester;
	uint32_t device; /* handle, as copies in its TLB are tagged */
	uint32_t pasid;	 /* of the request */
	bool tagged;
	uint64_t tag;
	uint32_t tag_pasid;
	iova_t iova;
	uint32_t matches;
	uint32_t in_atc; /* of its device TLB */
};

static void find_tag(void *ctx, const struct cached_copy *copy)
{
	struct search *search = ctx;

	if (copy->structure != STRUCTURE_CONFIG || !copy->tagged ||
	    search->requester < copy->first || search->requester > copy->last)
		return;
	if (copy->serves != search->pasid && !(copy->serves_both && search->pasid == NO_PASID))
		return;
	search->tagged = true;
	search->tag = copy->tag;
	search->tag_pasid = copy->pasid;
}

static void count_match(void *ctx, const struct cached_copy *copy)
{
	struct search *search = ctx;

	if (copy->structure == STRUCTURE_ATC && copy->tag == search->device &&
	    copy->pasid == search->pasid && copy->first <= search->iova &&
	    copy->last >= search->iova)
		search->in_atc++;
	if (copy->structure == STRUCTURE_TLB && copy->tag == search->tag &&
	    copy->pasid == search->tag_pasid && copy->first <= search->iova &&
	    copy->last >= search->iova)
		search->matches++;
}

static void before_dma(void *self, uint64_t event, const struct dma_request *page, uint32_t unit)
{
	struct verifier *verifier = self;
	struct iommu *iommu = replay_unit(verifier->replay, unit)->iommu;
	struct search search = {
		.requester = replay_device(verifier->replay, unit, page->device)->requester_id,
		.device = page->device,
		.pasid = page->pasid,
		.iova = page->iova
	};

	(void)event;
	iommu->model->each_copy(iommu, find_tag, &search);
	iommu->model->each_copy(iommu, count_match, &search);
	iommu->model->truth(iommu, page, &verifier->truth);
	verifier->matches = search.tagged ? search.matches : 0;
	/* What a device's TLB answers does not reach the IOTLB, or the copy had too few rights. */
	verifier->in_atc = page->type != DMA_TRANSLATION_REQUEST && page->len ? search.in_atc : 0;
	if (page->type == DMA_TRANSLATED || verifier->in_atc)
		verifier->matches = 0;
	verifier->reported = false;
}

static void differs(struct verifier *verifier, uint64_t event, const struct dma_request *page,
		    const struct dma_result *served, const struct dma_result *truth,
		    const char *what)
{
	if (!verifier->differences++)
		snprintf(verifier->first, sizeof verifier->first,
			 "event %llu, iova 0x%llx: %s; served %s 0x%llx, truth %s 0x%llx",
			 (unsigned long long)event, (unsigned long long)page->iova, what,
			 served->outcome == OUTCOME_OK ? "address" : "fault",
			 (unsigned long long)(served->outcome == OUTCOME_OK ? served->pa
									    : served->fault),
			 truth->outcome == OUTCOME_OK ? "address" : "fault",
			 (unsigned long long)(truth->outcome == OUTCOME_OK ? truth->pa
									   : truth->fault));
}

static void dma_verified(void *self, uint64_t event, const struct dma_request *page,
			 const struct dma_result *served, uint32_t unit)
{
	struct verifier *verifier = self;
	enum verdict expected = VERDICT_FRESH, said = VERDICT_FRESH;
	struct dma_result truth = verifier->truth;

	(void)unit;
	verifier->checked++;
	if (dma_granted(served) && (!dma_granted(&truth) || truth.pa != served->pa))
		expected = VERDICT_STALE_USE;
	else if (!dma_granted(served) && dma_granted(&truth))
		expected = VERDICT_STALE_REFUSAL;
	if (verifier->reported && verifier->use.verdict != VERDICT_BENIGN)
		said = verifier->use.verdict;
	if (said != expected)
		differs(verifier, event, page, served, &truth,
			expected == VERDICT_FRESH ? "reported as stale, but it equals truth"
						  : "stale, and no check bit said so");
	if (verifier->in_atc > 1 && served->outcome == OUTCOME_OK && served->cached)
		verifier->matches = verifier->in_atc;
	if (verifier->matches > 1 && (!verifier->reported || verifier->use.matches < 2))
		differs(verifier, event, page, served, &truth,
			"several entries match, and none said so");
}

static void on_used(void *self, const struct checked_use *use)
{
	struct verifier *verifier = self;

	verifier->reported = true;
	verifier->use = *use;
	verifier->caches->used(verifier->caches->self, use);
}

/* ---- passed on as they are ------------------------------------------------------------------------ */

static void on_opens(void *self, const struct cached_copy *copy)
{
	const struct iommu_observer *caches = ((struct verifier *)self)->caches;

	caches->copy_opens(caches->self, copy);
}

static void on_closes(void *self, const struct cached_copy *copy)
{
	const struct iommu_observer *caches = ((struct verifier *)self)->caches;

	caches->copy_closes(caches->self, copy);
}

static void on_overlap(void *self, uint64_t event, const struct dma_request *request,
		       const struct cached_copy *filled, const struct cached_copy *valid)
{
	const struct iommu_observer *caches = ((struct verifier *)self)->caches;

	caches->overlap(caches->self, event, request, filled, valid);
}

static void on_fault(void *self, const struct fault_report *report)
{
	const struct iommu_observer *caches = ((struct verifier *)self)->caches;

	caches->fault(caches->self, report);
}

static void on_tag_reused(void *self, uint64_t event, uint32_t device, uint64_t tag,
			  uint32_t old_space, uint32_t space, uint64_t copies)
{
	const struct iommu_observer *caches = ((struct verifier *)self)->caches;

	caches->tag_reused(caches->self, event, device, tag, old_space, space, copies);
}

static void on_acknowledged(void *self, bool overflow)
{
	const struct iommu_observer *caches = ((struct verifier *)self)->caches;

	caches->faults_acknowledged(caches->self, overflow);
}

static void on_page_requested(void *self, const struct page_report *report)
{
	const struct iommu_observer *caches = ((struct verifier *)self)->caches;

	caches->page_requested(caches->self, report);
}

static void on_pages_acknowledged(void *self)
{
	const struct iommu_observer *caches = ((struct verifier *)self)->caches;

	caches->pages_acknowledged(caches->self);
}

int verifier_create(const struct replay_observer *observer, const struct iommu_observer *caches,
		    struct verifier **out, struct err *err)
{
	struct verifier *verifier = calloc(1, sizeof *verifier);

	if (!verifier)
		return err_no_memory(err, "a verifier");
	verifier->caches = caches;
	verifier->replay_observer = *observer;
	verifier->replay_observer.verify_self = verifier;
	verifier->replay_observer.before_dma = before_dma;
	verifier->replay_observer.dma_verified = dma_verified;
	verifier->iommu_observer = (struct iommu_observer){
		.self = verifier,
		.used = on_used,
		.copy_opens = on_opens,
		.copy_closes = on_closes,
		.overlap = on_overlap,
		.fault = on_fault,
		.tag_reused = on_tag_reused,
		.faults_acknowledged = on_acknowledged,
		.page_requested = on_page_requested,
		.pages_acknowledged = on_pages_acknowledged,
	};
	*out = verifier;
	return 0;
}

void verifier_destroy(struct verifier *verifier)
{
	free(verifier);
}

const struct replay_observer *verifier_replay_observer(struct verifier *verifier)
{
	return &verifier->replay_observer;
}

const struct iommu_observer *verifier_iommu_observer(struct verifier *verifier)
{
	return &verifier->iommu_observer;
}

void verifier_watch(struct verifier *verifier, struct replay *replay)
{
	verifier->replay = replay;
}

int verifier_result(const struct verifier *verifier, uint64_t *checked, struct err *err)
{
	*checked = verifier->checked;
	if (!verifier->differences)
		return 0;
	return err_set(err, ERR_DIFFERS,
		       "verify: %llu of %llu requests differ, a defect of this program; first: %s",
		       (unsigned long long)verifier->differences,
		       (unsigned long long)verifier->checked, verifier->first);
}
