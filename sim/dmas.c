/*
 * DMAs in runs: those in a row that go to one unit before the clock has something of its own. Usual ones are
 * given to the model as they stand in the batch, for as long as it finds them plain. Where it
 * stops, those from there on become requests, and what came of them is told.
 */
#include "sim/replay_private.h"

#define unlikely(x) __builtin_expect(!!(x), 0)

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
	if (dma_answered(event))
		return answers_adopt(replay, event, target, err);
	return 0;
}

static void request_of(const struct event *event, const struct agent_target *target,
		       struct dma_request *request)
{
	*request = (struct dma_request){ .time_ns = event->time_ns,
					 .iova = event->addr,
					 .device = target->handle,
					 .pasid = target->pasid,
					 .len = event->len,
					 .access = (uint8_t)dma_access_of(event_verb(event)) };
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

		if (unlikely(event->agent >= n_agents || target->unit != unit))
			break;
		request_of(event, target, request);
		if (unlikely(event->present)) {
			*present |= event->present;
			if (more_of_request(replay, event, target, request, err))
				return -1;
		}
	}
	return request - replay->requests;
}

/* How many events there are to be served at once: up to where the clock has something of its own. */
static size_t length_of_run(const struct replay *replay, const struct event_batch *batch,
			    size_t begin)
{
	size_t most = replay->observer->before_dma || replay->n_blocked ? 1 : DMA_RUN;
	size_t n = batch->n - begin < most ? batch->n - begin : most;
	uint64_t limit;

	if (clock_next(&replay->clock, &limit))
		while (n > 1 && batch->events[begin + n - 1].time_ns > limit)
			n--;
	return n;
}

int dmas_unit(struct replay *replay, const struct event *event, uint32_t *unit, struct err *err)
{
	if (unlikely(event->agent >= replay->n_agents ||
		     replay->agents[event->agent].unit == UNIT_UNKNOWN) &&
	    setup_agent(replay, event->agent, err))
		return -1;
	*unit = replay->agents[event->agent].unit;
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
		if (dma_answered(event))
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
static void note_landing(struct replay *replay, const struct event *events, size_t n)
{
	while (n && replay->results[n - 1].outcome != OUTCOME_OK)
		n--;
	if (n)
		replay->units[replay->unit_at_hand].landed_ns =
			events[n - 1].time_ns + replay->machine->run.flight;
}

/* DMAs that the model takes as they are; answers how many. */
static size_t serve_plain(struct replay *replay, struct iommu *iommu, const struct event *events,
			  size_t n)
{
	const struct dma_run run = { .records = (const void *)events,
				     .n = n,
				     .first_event = replay->first_dma,
				     .devices = replay->plain_handles[replay->unit_at_hand],
				     .n_devices = replay->n_agents };
	size_t served;

	if (!iommu->model->translate_plain || replay->observer->before_dma || replay->n_blocked)
		return 0;
	replay->in_dma = iommu;
	served = iommu->model->translate_plain(iommu, &run, replay->results);
	replay->in_dma = NULL;
	for (size_t i = 0; replay->observer->every_result && i < served; i++)
		request_of(&events[i], &replay->agents[events[i].agent], &replay->requests[i]);
	return served;
}

/*
 * Serves up to n DMAs from the first event on as requests; *done says how many, 0: the first has to wait behind
 * others. *answered: some of them carry what the recorded hardware answered.
 */
static int serve_requests(struct replay *replay, struct iommu *iommu, const struct event *events,
			  size_t n, size_t *done, bool *answered, struct err *err)
{
	unsigned present;
	bool waits;
	ptrdiff_t made = make_requests(replay, events, events + n, &present, err);

	if (made < 0)
		return -1;
	*answered = present & (1u << DMA_PA | 1u << DMA_FAULT);
	*done = 0;
	if (unlikely(replay->n_blocked)) {
		if (held_behind(replay, events, &replay->requests[0], &waits, err))
			return -1;
		if (waits)
			return 0;
	}
	iommu->wanted = NO_PA;
	replay->in_dma = iommu;
	if (replay->observer->before_dma) {
		iova_t iova = replay->requests[0].iova;

		*done = verify_dma(replay, iommu, replay->first_dma, replay->unit_at_hand);
		replay->requests[0].iova = iova;
	} else {
		*done = iommu->model->translate(iommu, replay->first_dma, replay->requests,
						replay->results, (size_t)made);
	}
	replay->in_dma = NULL;
	return 0;
}

/* A run of DMAs; *done says how many events it took. */
int dmas_run(struct replay *replay, const struct event_batch *batch, size_t begin, size_t *done,
	     struct err *err)
{
	const struct event *events = batch->events + begin;
	size_t n = length_of_run(replay, batch, begin);
	bool answered = false;
	struct iommu *iommu;
	uint32_t unit;

	if (dmas_unit(replay, events, &unit, err))
		return -1;
	replay->unit_at_hand = unit;
	iommu = replay->units[unit].iommu;
	iommu->refused = false;
	replay->first_dma = batch->first + begin;
	replay->dmas = events;
	*done = serve_plain(replay, iommu, events, n);
	if (!*done && serve_requests(replay, iommu, events, n, done, &answered, err))
		return -1;
	if (!*done) {
		*done = 1;
		return 0;
	}
	replay->count.dma += *done;
	if (replay->machine->run.flight)
		note_landing(replay, events, *done);
	if ((answered || iommu->refused || replay->observer->every_result) &&
	    tell_results(replay, batch, begin, *done, err))
		return -1;
	/* what follows comes after the last of them, whichever was told of last */
	replay->now_ns = events[*done - 1].time_ns;
	replay->event = replay->first_dma + *done - 1;
	if (unlikely(iommu->stall_news)) {
		replay->stalls = replay->steps = true;
		if (stalls_settle(replay, unit, err))
			return -1;
	}
	return replay_take_interrupt(replay, unit, replay->now_ns, err);
}

void dmas_one(struct replay *replay, uint32_t unit, const struct dma_request *request,
	      struct dma_result *result)
{
	struct iommu *iommu = replay->units[unit].iommu;

	replay->unit_at_hand = unit;
	replay->requests[0] = *request;
	replay->dmas = NULL;
	iommu->wanted = NO_PA;
	replay->in_dma = iommu;
	replay->first_dma = replay->event;
	if (replay->observer->before_dma)
		verify_dma(replay, iommu, replay->event, unit);
	else
		iommu->model->translate(iommu, replay->event, request, replay->results, 1);
	replay->in_dma = NULL;
	if (unlikely(iommu->stall_news))
		replay->stalls = replay->steps = true;
	*result = replay->results[0];
}
