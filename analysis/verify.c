/* Who hears what: each fact goes to the detector and to the second derivation. */
#include <stdio.h>
#include <stdlib.h>

#include "analysis/verify_private.h"

/* ---- shared by the parts -------------------------------------------------------------------------- */

void verify_fails(struct verifier *verifier)
{
	verifier->failed = true;
}

void derive(struct verifier *verifier, const struct finding *finding)
{
	claims_put(&verifier->derived, finding);
}

bool verify_lost_since(const struct verifier *verifier, uint64_t event)
{
	return verifier->lost && verifier->last_lost > event;
}

uint32_t verify_domain_of(const struct verifier *verifier, const struct cached_copy *copy)
{
	const struct domain *domain = replay_domain_of_space(verifier->replay, copy->space);

	return domain ? domain->number : NAME_NONE;
}

void verify_look(struct verifier *verifier)
{
	if (!copies_look(&verifier->copies, verifier->replay))
		verify_fails(verifier);
	opened_look(verifier);
	freed_look(verifier);
}

/* ---- from the replay -------------------------------------------------------------------------------- */

static void on_removed(void *self, const struct removal *removal)
{
	struct verifier *verifier = self;

	verifier->next->removed(verifier->next->self, removal);
	opened_removed(verifier, removal);
	ledger_removed(verifier, removal);
}

static void on_words_changed(void *self, const struct table_change *changes, uint32_t n)
{
	struct verifier *verifier = self;

	/* which copies hold a dirty bit as set, or what memory held, does not show */
	if (replay_reads_behind(verifier->replay))
		verifier->doubt_known = false;
	for (uint32_t i = 0; i < n; i++)
		if (changes[i].cleared)
			verifier->doubt_known = false;
	doubt_changed_words(verifier, changes, n);
	opened_written(verifier, changes, n);
	opened_look(verifier);
}

static void on_mapped(void *self, const struct domain *domain, iova_t first, iova_t last, pa_t pa,
		      unsigned perm, uint64_t event, uint64_t time_ns)
{
	struct verifier *verifier = self;

	verifier->next->mapped(verifier->next->self, domain, first, last, pa, perm, event, time_ns);
	opened_mapped(verifier, domain, first, last, pa, perm, time_ns);
	ledger_mapped(verifier, domain, first, last, pa, perm, event, time_ns);
}

static void on_unmap_returned(void *self, const struct domain *domain, iova_t first, iova_t last,
			      uint64_t time_ns)
{
	struct verifier *verifier = self;

	verifier->next->unmap_returned(verifier->next->self, domain, first, last, time_ns);
	ledger_returned(verifier, domain, first, last);
}

static void on_inval_issued(void *self, const struct inval_op *op)
{
	struct verifier *verifier = self;

	verifier->next->inval_issued(verifier->next->self, op);
	opened_issued(verifier, op);
}

static void on_inval_executed(void *self, const struct inval_op *op,
			      const struct inval_report *report)
{
	struct verifier *verifier = self;

	verifier->next->inval_executed(verifier->next->self, op, report);
	verify_look(verifier);
	flushes_executed(verifier, op);
	doubt_flushed(verifier, op);
}

static void on_inval_done(void *self, const struct inval_op *op)
{
	struct verifier *verifier = self;

	verifier->next->inval_done(verifier->next->self, op);
	flushes_done(verifier, op);
	opened_done(verifier, op);
}

static void on_owner_changed(void *self, pa_t first, pa_t last, uint32_t owner,
			     enum owner_state state, uint64_t event, uint64_t time_ns)
{
	struct verifier *verifier = self;
	struct owned *put = list_add(&verifier->owners, sizeof *put);

	verifier->next->owner_changed(verifier->next->self, first, last, owner, state, event,
				      time_ns);
	if (put)
		*put = (struct owned){ first, last, owner, state, event };
	else
		verify_fails(verifier);
	if (state == OWNER_TABLE)
		freed_reused(verifier, first, last);
	ledger_owner(verifier, first, last, state, event, time_ns);
}

static void on_table_freed(void *self, pa_t pa, uint64_t event, uint64_t time_ns)
{
	struct verifier *verifier = self;

	verifier->next->table_freed(verifier->next->self, pa, event, time_ns);
	freed_table(verifier, pa, event, time_ns);
}

static void on_dma_done(void *self, uint64_t event, const struct dma_request *request,
			const struct dma_result *result, uint32_t device)
{
	struct verifier *verifier = self;
	uint32_t unit = replay_unit_at_hand(verifier->replay);
	const struct iommu *iommu = replay_unit(verifier->replay, unit)->iommu;
	uint32_t domain = device_domain(replay_device(verifier->replay, unit, request->device),
					request->pasid);

	verifier->next->dma_done(verifier->next->self, event, request, result, device);
	if (domain == NAME_NONE)
		return;
	flushes_dma(verifier, event, request, result, domain);
	if (result->outcome == OUTCOME_FAULT && iommu->model->fault_is_missing(result->fault))
		ledger_refused(verifier, event, request, domain);
}

static void on_handler_ran(void *self, uint32_t unit, uint64_t time_ns)
{
	struct verifier *verifier = self;

	verifier->next->handler_ran(verifier->next->self, unit, time_ns);
}

static void on_lost(void *self, uint64_t event, uint64_t time_ns)
{
	struct verifier *verifier = self;

	verifier->next->lost(verifier->next->self, event, time_ns);
	verifier->lost = true;
	verifier->last_lost = event;
}

static void on_answer_differs(void *self, const struct disagreement *what)
{
	struct verifier *verifier = self;

	verifier->next->answer_differs(verifier->next->self, what);
}

/* What is not derived again is handed on. */
static void on_rights_exceed(void *self, const struct rights_excess *excess)
{
	const struct replay_observer *next = ((struct verifier *)self)->next;

	next->rights_exceed(next->self, excess);
}

static void on_dirty_step(void *self, const struct dirty_step *step)
{
	const struct replay_observer *next = ((struct verifier *)self)->next;

	next->dirty_step(next->self, step);
}

static void on_dirty_page(void *self, const struct domain *domain, iova_t first, iova_t last)
{
	const struct replay_observer *next = ((struct verifier *)self)->next;

	next->dirty_page(next->self, domain, first, last);
}

static void on_word_written(void *self, pa_t pa, uint64_t event, uint64_t time_ns)
{
	const struct replay_observer *next = ((struct verifier *)self)->next;

	next->word_written(next->self, pa, event, time_ns);
}

static void on_stepped(void *self)
{
	verify_look(self);
}

/* ---- from the caches ----------------------------------------------------------------------------------- */

static void on_used(void *self, const struct checked_use *use)
{
	struct verifier *verifier = self;

	verifier->reported = true;
	verifier->use = *use;
	verifier->use_copy = *use->copy;
	verifier->caches->used(verifier->caches->self, use);
}

static void on_opens(void *self, const struct doubted_copy *copy)
{
	const struct iommu_observer *caches = ((struct verifier *)self)->caches;

	caches->copy_opens(caches->self, copy);
}

static void on_closes(void *self, uint64_t name)
{
	const struct iommu_observer *caches = ((struct verifier *)self)->caches;

	caches->copy_closes(caches->self, name);
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
	faults_reported(self, report);
}

static void on_entry_read(void *self, const struct entry_read *read)
{
	const struct iommu_observer *caches = ((struct verifier *)self)->caches;

	caches->entry_read(caches->self, read);
}

static void on_run_inconsistent(void *self, const struct run_report *report)
{
	const struct iommu_observer *caches = ((struct verifier *)self)->caches;

	caches->run_inconsistent(caches->self, report);
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
	faults_acknowledged(self, overflow);
}

static void on_page_requested(void *self, const struct page_report *report)
{
	struct verifier *verifier = self;

	verifier->page_requests = true;
	verifier->caches->page_requested(verifier->caches->self, report);
}

static void on_pages_acknowledged(void *self)
{
	const struct iommu_observer *caches = ((struct verifier *)self)->caches;

	caches->pages_acknowledged(caches->self);
}

static void on_page_waited(void *self, const struct page_wait *wait)
{
	struct verifier *verifier = self;

	verifier->next->page_waited(verifier->next->self, wait);
}

/* ---- the whole ------------------------------------------------------------------------------------------ */

int verifier_create(const struct replay_observer *observer, const struct iommu_observer *caches,
		    struct verifier **out, struct err *err)
{
	struct verifier *verifier = calloc(1, sizeof *verifier);

	if (!verifier)
		return err_no_memory(err, "a verifier");
	verifier->next = observer;
	verifier->caches = caches;
	verifier->last_window = UINT32_MAX;
	verifier->replay_observer = (struct replay_observer){
		.self = verifier,
		.removed = on_removed,
		.mapped = on_mapped,
		.unmap_returned = on_unmap_returned,
		.inval_issued = on_inval_issued,
		.inval_executed = on_inval_executed,
		.inval_done = on_inval_done,
		.owner_changed = on_owner_changed,
		.table_freed = on_table_freed,
		.dma_done = on_dma_done,
		.every_result = observer->every_result,
		.before_dma = requests_before,
		.dma_verified = requests_served,
		.words_changed = on_words_changed,
		.stepped = on_stepped,
		.handler_ran = on_handler_ran,
		.lost = on_lost,
		.answer_differs = on_answer_differs,
		.rights_exceed = on_rights_exceed,
		.dirty_step = on_dirty_step,
		.dirty_page = on_dirty_page,
		.word_written = on_word_written,
		.page_waited = on_page_waited,
	};
	verifier->iommu_observer = (struct iommu_observer){
		.self = verifier,
		.used = on_used,
		.copy_opens = on_opens,
		.copy_closes = on_closes,
		.overlap = on_overlap,
		.fault = on_fault,
		.entry_read = on_entry_read,
		.run_inconsistent = on_run_inconsistent,
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
	if (!verifier)
		return;
	for (size_t i = 0; i < verifier->windows.n; i++)
		free(LIST_AT(&verifier->windows, struct opened, i)->ends.items);
	copies_free(&verifier->copies);
	claims_free(&verifier->derived);
	free(verifier->tags.items);
	free(verifier->windows.items);
	free(verifier->pieces.items);
	free(verifier->issued.items);
	free(verifier->owners.items);
	free(verifier->mappings.items);
	free(verifier->replaced.items);
	free(verifier->gaps.items);
	free(verifier->rests.items);
	free(verifier->flights.items);
	free(verifier->freed.items);
	free(verifier->freed_index);
	free(verifier->episodes.items);
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
	verifier->doubt_known = replay_machine(replay)->model->plain_copies;
}

int verifier_result(struct verifier *verifier, struct claims *reported, uint64_t *checked,
		    struct err *err)
{
	char text[400] = "";
	uint64_t differ;

	*checked = verifier->checked;
	opened_finish(verifier);
	freed_finish(verifier);
	ledger_finish(verifier);
	faults_finish(verifier);
	if (verifier->failed || reported->failed || verifier->derived.failed)
		return err_no_memory(err, "the second derivation of --verify");
	if (verifier->differences)
		return err_set(err, ERR_DIFFERS,
			       "verify: %llu of %llu requests differ, a defect of this program; "
			       "first: %s",
			       (unsigned long long)verifier->differences,
			       (unsigned long long)verifier->checked, verifier->first);
	if (verifier->page_requests)
		return 0; /* each request was compared with truth; findings are derived once */
	if (!verifier->doubt_known) {
		claims_without_doubt(reported);
		claims_without_doubt(&verifier->derived);
	}
	differ = claims_compare(reported, &verifier->derived, text, sizeof text);
	if (!differ)
		return 0;
	return err_set(err, ERR_DIFFERS,
		       "verify: %llu findings differ, a defect of this program; first: %s",
		       (unsigned long long)differ, text);
}
