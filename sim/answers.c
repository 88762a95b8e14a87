/*
 * What recorded hardware answered is compared, never used (rules R10). One exception: a page
 * that the recording never mapped or unmapped, in a domain that existed before it, takes its
 * first answer as start state.
 */
#include <stdlib.h>

#include "sim/replay_private.h"

static int ledger_is_touched(struct domain *domain, struct err *err)
{
	struct imap_entry *entry;

	if (imap_create(NULL, &domain->touched))
		return err_no_memory(err, "the ledger of touched pages");
	for (entry = imap_first_in(domain->ledger, 0, UINT64_MAX); entry;
	     entry = imap_next(domain->ledger, entry)) {
		struct imap_entry touched = { .first = entry->first, .last = entry->last };

		if (imap_insert(domain->touched, &touched))
			return err_no_memory(err, "the ledger of touched pages");
	}
	return 0;
}

static struct domain *domain_of(const struct replay *replay, const struct agent_target *target)
{
	uint32_t number = replay->devices[target->device]->domain;

	return number == NAME_NONE ? NULL : replay->domains[number];
}

int answers_adopt(struct replay *replay, const struct event *event,
		  const struct agent_target *target, struct err *err)
{
	struct domain *domain = domain_of(replay, target);
	uint64_t number = replay->event;
	int answer;

	if (!domain || domain->raw || !replay->machine->run.adopt)
		return 0;
	if (!domain->touched && ledger_is_touched(domain, err))
		return -1;
	replay->has_answers = true;
	if (!event_has(event, DMA_PA) || !domain->before || imap_at(domain->touched, event->addr) ||
	    imap_at(domain->ledger, event->addr))
		return 0;
	if (event->addr > low_mask(replay->units[0].iommu->model->address_bits(
				  replay->units[0].iommu, domain->levels)))
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
	/* without a direction, any of the codes for a missing right is the same answer */
	return result->fault == code || (!request->access && model->fault_is_missing(code) &&
					 model->fault_is_missing(result->fault));
}

static void differ(struct replay *replay, uint64_t event)
{
	if (replay->count.n_first_differ < 16)
		replay->count.first_differ[replay->count.n_first_differ++] = event;
	replay->count.differ++;
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

void answers_compare(struct replay *replay, const struct event *event,
		     const struct dma_request *request, const struct dma_result *result,
		     const struct agent_target *target)
{
	const struct domain *domain = domain_of(replay, target);
	uint64_t number = replay->batch->first + (uint64_t)(event - replay->batch->events);

	replay->count.answers++;
	if (agrees(replay, event, request, result)) {
		replay->count.agree++;
		return;
	}
	if (in_doubt(replay, domain, request)) {
		replay->count.undecided++;
		return;
	}
	if (!domain || !replay->machine->run.uncertainty) {
		differ(replay, number);
		return;
	}
	if (replay->n_doubts == replay->max_doubts) {
		size_t max = replay->max_doubts ? replay->max_doubts * 2 : 64;
		struct doubt *doubts = realloc(replay->doubts, max * sizeof *doubts);

		if (!doubts) {
			differ(replay, number);
			return;
		}
		replay->doubts = doubts;
		replay->max_doubts = max;
	}
	replay->doubts[replay->n_doubts++] =
		(struct doubt){ domain->number, request->iova, request->time_ns, number };
}

/* An update of [first, last] explains disagreements there that are close enough. */
void answers_touched(struct replay *replay, const struct domain *domain, iova_t first, iova_t last)
{
	size_t kept = 0;

	for (size_t i = 0; i < replay->n_doubts; i++) {
		struct doubt doubt = replay->doubts[i];

		if (replay->now_ns - doubt.time_ns > replay->machine->run.uncertainty)
			differ(replay, doubt.event);
		else if (doubt.domain == domain->number && doubt.iova >= first &&
			 doubt.iova <= last)
			replay->count.undecided++;
		else
			replay->doubts[kept++] = doubt;
	}
	replay->n_doubts = kept;
}

void answers_finish(struct replay *replay)
{
	for (size_t i = 0; i < replay->n_doubts; i++)
		differ(replay, replay->doubts[i].event);
	replay->n_doubts = 0;
}
