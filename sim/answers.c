/*
 * What recorded hardware answered is compared, never used (rules R10). One exception: a page
 * that the recording never mapped or unmapped, in a domain that existed before it, takes its
 * first answer as start state.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/points_private.h"

int answers_note_gone(struct domain *domain, iova_t first, iova_t last, struct err *err)
{
	iova_t below = first ? first - 1 : 0, above = last == UINT64_MAX ? last : last + 1;
	const struct imap_entry *entry;

	if (!domain->gone && imap_create(NULL, &domain->gone))
		return err_no_memory(err, "the ledger of unmapped pages");
	for (entry = imap_first_in(domain->gone, below, above); entry && entry->first <= above;
	     entry = imap_next(domain->gone, entry)) {
		first = entry->first < first ? entry->first : first;
		last = entry->last > last ? entry->last : last;
	}
	if (imap_cut(domain->gone, first, last, NULL, NULL) ||
	    !imap_insert(domain->gone, first, last))
		return err_no_memory(err, "the ledger of unmapped pages");
	domain->gone_first = first;
	domain->gone_last = last;
	return 0;
}

static int add_touched(struct imap *touched, const struct imap *from)
{
	for (const struct imap_entry *entry = imap_first_in(from, 0, UINT64_MAX); entry;
	     entry = imap_next(from, entry)) {
		struct imap_entry *added = NULL;

		if (!imap_cut(touched, entry->first, entry->last, NULL, NULL))
			added = imap_insert(touched, entry->first, entry->last);
		if (!added)
			return -1;
		memset(added->value, 0, sizeof added->value);
	}
	return 0;
}

/* At the first answer: what is mapped, and what once was. */
static int begin_touched(struct domain *domain, struct err *err)
{
	if (imap_create(NULL, &domain->touched) ||
	    (domain->gone && add_touched(domain->touched, domain->gone)) ||
	    add_touched(domain->touched, domain->ledger))
		return err_no_memory(err, "the ledger of touched pages");
	imap_destroy(domain->gone);
	domain->gone = NULL;
	return 0;
}

static struct domain *domain_of(const struct replay *replay, const struct agent_target *target)
{
	uint32_t number = device_domain(replay->devices[target->device], target->pasid);

	return number == NAME_NONE ? NULL : replay->domains[number];
}

int answers_adopt(struct replay *replay, const struct event *event,
		  const struct agent_target *target, struct err *err)
{
	struct domain *domain = domain_of(replay, target);
	uint64_t number = replay->event;
	int answer;

	if (!domain || domain->raw || domain->bypass || !replay->machine->run.adopt)
		return 0;
	if (!domain->touched && begin_touched(domain, err))
		return -1;
	replay->has_answers = true;
	if (!event_has(event, DMA_PA) || !domain->before || imap_at(domain->touched, event->addr) ||
	    imap_at(domain->ledger, event->addr))
		return 0;
	if (event->addr > domain->highest)
		return 0;
	replay->count.adopted++;
	answer = update_adopt(replay, domain, event->addr,
			      event_value(replay->batch, event, DMA_PA), err);
	replay->event = number;
	return answer;
}

static bool agrees(const struct replay *replay, const struct event *event,
		   const struct dma_request *request, const struct dma_result *result)
{
	const struct iommu_model *model = replay->machine->model;
	uint16_t code;

	if (event_has(event, DMA_PA))
		return result->outcome == OUTCOME_OK &&
		       result->pa == event_value(replay->batch, event, DMA_PA);
	code = (uint16_t)event_value(replay->batch, event, DMA_FAULT);
	if (result->outcome != OUTCOME_FAULT)
		return false;
	if (replay->foreign)
		return true;
	/* without a direction, any of the codes for a missing right is the same answer */
	return result->fault == code || (!request->access && iommu_fault_is_missing(model, code) &&
					 iommu_fault_is_missing(model, result->fault));
}

static void differ(struct replay *replay, const struct disagreement *what)
{
	if (replay->count.n_first_differ < 16)
		replay->count.first_differ[replay->count.n_first_differ++] = what->event;
	replay->count.differ++;
	replay->observer->answer_differs(replay->observer->self, what);
}

/* NULL: no memory; nothing is counted then. */
static struct imap *answered_of(struct replay *replay, uint32_t device)
{
	if (device >= replay->n_answered) {
		struct imap **answered =
			realloc(replay->answered, (device + 1) * sizeof(struct imap *));

		if (!answered)
			return NULL;
		while (replay->n_answered <= device)
			answered[replay->n_answered++] = NULL;
		replay->answered = answered;
	}
	if (!replay->answered[device] && imap_create(NULL, &replay->answered[device]))
		return NULL;
	return replay->answered[device];
}

/*
 * Answers of one device for one page of one mapping count once, as agreeing while all of them do:
 * an address used a thousand times must not outweigh all others.
 */
static void count_distinct(struct replay *replay, const struct device *device, iova_t iova,
			   bool same)
{
	iova_t page = iova & ~low_mask(12);
	struct imap_entry *entry;
	struct imap *answered;

	answered = answered_of(replay, device->number);
	if (!answered)
		return;
	entry = imap_at(answered, iova);
	if (!entry) {
		entry = imap_insert(answered, page, page | low_mask(12));
		if (!entry)
			return;
		entry->value[0] = same;
		replay->count.distinct++;
		replay->count.distinct_agree += same;
	} else if (!same && entry->value[0]) {
		entry->value[0] = false;
		replay->count.distinct_agree--;
	}
}

/* An update of that page so close in time that the order of two clocks is not known, or events
 * lost since its last one (rules R10). */
static bool in_doubt(const struct replay *replay, const struct domain *domain,
		     const struct dma_request *request)
{
	const struct imap_entry *entry =
		domain && domain->touched ? imap_at(domain->touched, request->iova) : NULL;

	if (replay->lost && (!entry || entry->value[0] <= replay->lost_ns))
		return true;
	return entry && replay->machine->run.uncertainty &&
	       request->time_ns - entry->value[0] <= replay->machine->run.uncertainty;
}

/* R10: agreement is told with and without the answers that a move may have helped. */
static bool rests_on_a_move(const struct domain *domain, iova_t iova)
{
	const struct imap_entry *entry =
		domain && domain->touched ? imap_at(domain->touched, iova) : NULL;

	return entry && entry->value[1];
}

/* Waits for what the clocks allow to have come first; false: no memory to wait with. */
static bool wait_with(struct replay *replay, const struct disagreement *what)
{
	if (replay->n_doubts == replay->max_doubts) {
		size_t max = replay->max_doubts ? replay->max_doubts * 2 : 64;
		struct disagreement *doubts = realloc(replay->doubts, max * sizeof *doubts);

		if (!doubts)
			return false;
		replay->doubts = doubts;
		replay->max_doubts = max;
	}
	replay->doubts[replay->n_doubts++] = *what;
	return true;
}

void answers_compare(struct replay *replay, const struct event *event,
		     const struct dma_request *request, const struct dma_result *result,
		     const struct agent_target *target)
{
	const struct domain *domain = domain_of(replay, target);
	bool same = agrees(replay, event, request, result);
	struct disagreement what;

	replay->count.answers++;
	if (!same && in_doubt(replay, domain, request)) {
		replay->count.undecided++;
		return;
	}
	count_distinct(replay, replay->devices[target->device], request->iova, same);
	if (rests_on_a_move(domain, request->iova)) {
		replay->count.moved++;
		replay->count.moved_agree += same;
	}
	if (same) {
		replay->count.agree++;
		return;
	}
	what = (struct disagreement){
		.event = replay->batch->first + (uint64_t)(event - replay->batch->events),
		.domain = domain ? domain->number : NAME_NONE,
		.device = target->device,
		.request = *request,
		.result = *result,
		.pa = event_has(event, DMA_PA) ? event_value(replay->batch, event, DMA_PA) : NO_PA,
		.fault = event_has(event, DMA_FAULT)
				 ? (uint16_t)event_value(replay->batch, event, DMA_FAULT)
				 : 0,
	};
	if (!domain || !replay->machine->run.uncertainty || !wait_with(replay, &what))
		differ(replay, &what);
}

/* What is known of the pages of a mapping ends with it. */
static void forget_distinct(struct replay *replay, const struct domain *domain, iova_t first,
			    iova_t last)
{
	for (uint32_t i = 0; i < replay->n_answered; i++)
		if (replay->answered[i] && device_uses(replay->devices[i], domain->number))
			imap_cut(replay->answered[i], first, last, NULL, NULL);
}

/* An update of [first, last] explains disagreements there that are close enough. */
void answers_touched(struct replay *replay, const struct domain *domain, iova_t first, iova_t last)
{
	size_t kept = 0;

	for (size_t i = 0; i < replay->n_doubts; i++) {
		struct disagreement *doubt = &replay->doubts[i];

		if (replay->now_ns - doubt->request.time_ns > replay->machine->run.uncertainty)
			differ(replay, doubt);
		else if (doubt->domain == domain->number && doubt->request.iova >= first &&
			 doubt->request.iova <= last)
			replay->count.undecided++;
		else
			replay->doubts[kept++] = *doubt;
	}
	replay->n_doubts = kept;
	forget_distinct(replay, domain, first, last);
	if (replay->points)
		points_answers_touched(replay, domain, first, last);
}

void answers_finish(struct replay *replay)
{
	for (size_t i = 0; i < replay->n_doubts; i++)
		differ(replay, &replay->doubts[i]);
	replay->n_doubts = 0;
}

void answers_destroy(struct replay *replay)
{
	for (uint32_t i = 0; i < replay->n_answered; i++)
		imap_destroy(replay->answered[i]);
	free(replay->answered);
	free(replay->doubts);
}
