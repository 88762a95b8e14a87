/*
 * DMAs in runs: those in a row that go to one unit before the clock has something of its own become
 * requests, are given to the model at once, and what came of them is told.
 */
#include "sim/replay_private.h"

/* How many events ahead one is fetched into the nearest cache; beyond the last there is nothing to be had. */
enum { EVENTS_AHEAD = 32 };

#define unlikely(x) __builtin_expect(!!(x), 0)

/* The verbs in order of their numbers are read, write, atomic (both) and any (0). */
static inline uint8_t access_of(const struct event *event)
{
	return (uint8_t)((event_verb(event) + 1) & 3);
}
_Static_assert(((DMA_VERB_READ + 1) & 3) == ACCESS_READ &&
		       ((DMA_VERB_WRITE + 1) & 3) == ACCESS_WRITE &&
		       ((DMA_VERB_ATOMIC + 1) & 3) == (ACCESS_READ | ACCESS_WRITE) &&
		       ((DMA_VERB_ANY + 1) & 3) == 0,
	       "access_of");

/* A DMA's rarer fields. */
static int more_of_request(struct replay *replay, const struct event *event,
			   const struct agent_target *target, struct dma_request *request,
			   struct err *err)
{
	replay->now_ns = event->time_ns;
	replay->event = replay->batch->first + (uint64_t)(event - replay->batch->events);
	if (event_has(event, DMA_ATS))
		request->type = event_value(replay->batch, event, DMA_ATS)
					? DMA_TRANSLATED
					: DMA_TRANSLATION_REQUEST;
	if (event_has(event, DMA_PA) || event_has(event, DMA_FAULT))
		return answers_adopt(replay, event, target, err);
	return 0;
}

/*
 * Makes requests of the DMAs from `event` on, up to `end`, that go to the unit at hand; says how many, or
 * -1. *present: the fields that some of them have.
 */
static __attribute__((noinline)) ptrdiff_t make_requests(struct replay *replay,
							 const struct event *event,
							 const struct event *end, unsigned *present,
							 struct err *err)
{
	const struct agent_target *agents = replay->agents;
	struct dma_request *request = replay->requests;
	uint32_t unit = replay->unit_at_hand, n_agents = replay->n_agents;

	*present = 0;
	for (; event < end && event->kind == EVENT_DMA; event++, request++) {
		const struct agent_target *target = &agents[event->agent];

		__builtin_prefetch(event + EVENTS_AHEAD);
		if (unlikely(event->agent >= n_agents || target->unit != unit))
			break;
		request->time_ns = event->time_ns;
		request->iova = event->addr;
		request->device = target->handle;
		request->pasid = target->pasid;
		request->len = event->len;
		request->access = access_of(event);
		request->type = DMA_UNTRANSLATED;
		request->privileged = 0;
		if (unlikely(event->present)) {
			*present |= event->present;
			if (more_of_request(replay, event, target, request, err))
				return -1;
		}
	}
	return request - replay->requests;
}

/* How many DMAs from event `begin` on go to one unit before the clock has something of its own.
 * *answered: some of them carry what the recorded hardware answered. */
static int make_run(struct replay *replay, const struct event_batch *batch, size_t begin, size_t *n,
		    bool *answered, struct err *err)
{
	size_t most = replay->observer->before_dma || replay->n_blocked ? 1 : DMA_RUN;
	size_t end = batch->n - begin < most ? batch->n : begin + most;
	uint32_t first = batch->events[begin].agent;
	unsigned present;
	uint64_t limit;
	ptrdiff_t made;

	if (clock_next(&replay->clock, &limit))
		while (end > begin + 1 && batch->events[end - 1].time_ns > limit)
			end--;
	if (unlikely(first >= replay->n_agents || replay->agents[first].unit == UNIT_UNKNOWN) &&
	    setup_agent(replay, first, err))
		return -1;
	replay->unit_at_hand = replay->agents[first].unit;
	made = make_requests(replay, batch->events + begin, batch->events + end, &present, err);
	if (made < 0)
		return -1;
	*n = (size_t)made;
	*answered = present & (1u << DMA_PA | 1u << DMA_FAULT);
	return 0;
}

static int tell_results(struct replay *replay, const struct event_batch *batch, size_t begin,
			size_t n, struct err *err)
{
	const struct replay_observer *observer = replay->observer;

	for (size_t i = 0; i < n; i++) {
		const struct event *event = &batch->events[begin + i];
		const struct dma_result *result = &replay->results[i];

		if (unlikely(result->sees == SEES_NO_RIGHT) &&
		    pages_may_hold(replay, event, result)) {
			if (pages_hold(replay, event, &replay->requests[i], result, err))
				return -1;
			continue;
		}
		if (unlikely(result->sees == SEES_NOTHING) && replay->machine->model->stalls &&
		    stalls_hold(event))
			continue;
		if (result->outcome != OUTCOME_OK || observer->every_result) {
			replay->event = batch->first + begin + i;
			replay->now_ns = event->time_ns;
			observer->dma_done(observer->self, batch->first + begin + i,
					   &replay->requests[i], result,
					   replay->agents[event->agent].device);
		}
		if (event_has(event, DMA_PA) || event_has(event, DMA_FAULT))
			answers_compare(replay, event, &replay->requests[i], result,
					&replay->agents[event->agent]);
	}
	return 0;
}

/* --verify: one request, page by page; the result is put together as the model would. */
static size_t verify_dma(struct replay *replay, struct iommu *iommu, uint64_t event, uint32_t unit)
{
	const struct replay_observer *observer = replay->observer;
	struct dma_request page = replay->requests[0];
	struct dma_result *result = &replay->results[0], one;
	uint32_t left = page.len;
	bool first = true;

	iommu->event = event; /* whoever asks for the time meets it before the model does */
	do {
		uint32_t room = 4096u - (uint32_t)(page.iova & 0xfff);

		page.len = left < room ? left : room;
		replay->requests[0].iova = page.iova;
		observer->before_dma(observer->self, event, &page, unit);
		iommu->model->translate(iommu, event, &page, &one, 1);
		observer->dma_verified(observer->self, event, &page, &one, unit);
		if (first || (one.outcome != OUTCOME_OK && result->outcome == OUTCOME_OK))
			*result = one;
		first = false;
		left -= page.len;
		page.iova += page.len;
	} while (left);
	return 1;
}

/* A draining invalidation waits for what was translated before it executes (rules R7). */
static void note_landing(struct replay *replay, size_t n)
{
	while (n && replay->results[n - 1].outcome != OUTCOME_OK)
		n--;
	if (n)
		replay->units[replay->unit_at_hand].landed_ns =
			replay->requests[n - 1].time_ns + replay->machine->run.flight;
}

/* A run of DMAs; *done says how many events it took. */
int dmas_run(struct replay *replay, const struct event_batch *batch, size_t begin, size_t *done,
	     struct err *err)
{
	struct iommu *iommu;
	bool answered, waits;
	uint32_t unit;
	size_t n;

	if (make_run(replay, batch, begin, &n, &answered, err))
		return -1;
	if (unlikely(replay->n_blocked)) {
		if (held_behind(replay, &batch->events[begin], &replay->requests[0], &waits, err))
			return -1;
		*done = 1;
		if (waits)
			return 0;
	}
	unit = replay->unit_at_hand;
	iommu = replay->units[unit].iommu;
	iommu->refused = false;
	iommu->wanted = NO_PA;
	replay->in_dma = iommu;
	replay->first_dma = batch->first + begin;
	if (replay->observer->before_dma) {
		iova_t iova = replay->requests[0].iova;

		*done = verify_dma(replay, iommu, replay->first_dma, unit);
		replay->requests[0].iova = iova;
	} else {
		*done = iommu->model->translate(iommu, replay->first_dma, replay->requests,
						replay->results, n);
	}
	replay->in_dma = NULL;
	replay->count.dma += *done;
	if (replay->machine->run.flight)
		note_landing(replay, *done);
	if ((answered || iommu->refused || replay->observer->every_result) &&
	    tell_results(replay, batch, begin, *done, err))
		return -1;
	/* what follows comes after the last of them, whichever was told of last */
	replay->now_ns = replay->requests[*done - 1].time_ns;
	replay->event = replay->first_dma + *done - 1;
	if (unlikely(iommu->stall_news) && stalls_settle(replay, unit, err))
		return -1;
	return replay_take_interrupt(replay, unit, replay->now_ns, err);
}

void dmas_one(struct replay *replay, uint32_t unit, const struct dma_request *request,
	      struct dma_result *result)
{
	struct iommu *iommu = replay->units[unit].iommu;

	replay->unit_at_hand = unit;
	replay->requests[0] = *request;
	iommu->wanted = NO_PA;
	replay->in_dma = iommu;
	replay->first_dma = replay->event;
	if (replay->observer->before_dma)
		verify_dma(replay, iommu, replay->event, unit);
	else
		iommu->model->translate(iommu, replay->event, request, replay->results, 1);
	replay->in_dma = NULL;
	*result = replay->results[0];
}
