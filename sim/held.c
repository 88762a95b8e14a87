/*
 * DMAs that wait: for a page (page_requests.c), in the unit (stalls.c), or behind others of their device
 * (rules R9).
 *
 * Held DMA never moves recorded software: only itself, and later DMA of the same device once
 * pri.max_outstanding are held. A DMA whose page or owner a recorded event changed while it was held
 * is a timing artefact: counted, and nothing that it meets is a finding.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/replay_private.h"

/* DMAs that wait, of all devices; more are counted and never issued: without answers they would pile
 * up as long as the recording lasts. */
enum { HELD_MAX = 1 << 16 };

static int no_memory(struct err *err)
{
	return err_no_memory(err, "held DMAs");
}

void held_tell(struct replay *replay, const struct held_dma *held, enum wait_end end)
{
	struct page_wait wait = { .device = held->device,
				  .domain = device_domain(replay->devices[held->device],
							  held->request.pasid),
				  .pasid = held->request.pasid,
				  .iova = held->page,
				  .write = held->request.access & ACCESS_WRITE,
				  .event = held->event,
				  .time_ns = held->since_ns,
				  .end_ns = replay->now_ns,
				  .end = end,
				  .stalled = held->stall,
				  .behind = held->behind };

	replay->observer->page_waited(replay->observer->self, &wait);
}

/* ---- the list ------------------------------------------------------------------------------------ */

static uint32_t most_held(const struct device *device)
{
	return (uint32_t)device->config.max_outstanding;
}

static struct held_dma *new_held(struct replay *replay)
{
	if (replay->n_held == replay->max_held) {
		uint32_t max = replay->max_held ? replay->max_held * 2 : 16;
		struct held_dma *held = realloc(replay->held, max * sizeof *held);

		if (!held)
			return NULL;
		replay->held = held;
		replay->max_held = max;
	}
	return &replay->held[replay->n_held++];
}

/* Oldest first, so that what comes later stays behind. */
static void forget(struct replay *replay, struct held_dma *held)
{
	uint32_t at = (uint32_t)(held - replay->held);

	memmove(held, held + 1, (replay->n_held - at - 1) * sizeof *held);
	replay->n_held--;
}

struct held_dma *held_first(struct replay *replay, uint32_t device, enum held_state state)
{
	for (uint32_t i = 0; i < replay->n_held; i++)
		if (replay->held[i].device == device && replay->held[i].state == state)
			return &replay->held[i];
	return NULL;
}

struct held_dma *held_numbered(struct replay *replay, uint64_t number)
{
	for (uint32_t i = 0; i < replay->n_held; i++)
		if (replay->held[i].number == number)
			return &replay->held[i];
	return NULL;
}

static void count_outstanding(struct replay *replay, struct device *device, int change)
{
	bool before = device->n_held >= most_held(device);

	device->n_held = (uint32_t)((int)device->n_held + change);
	replay->n_blocked += (uint32_t)(device->n_held >= most_held(device)) - (uint32_t)before;
}

struct held_dma *held_add(struct replay *replay, uint32_t device, uint64_t event,
			  const struct dma_request *request, enum held_state state)
{
	struct held_dma *held = new_held(replay);

	if (!held)
		return NULL;
	*held = (struct held_dma){ .state = state,
				   .request = *request,
				   .number = replay->count.held++,
				   .event = event,
				   .device = device,
				   .unit = replay->devices[device]->unit,
				   .page = request->iova,
				   .since_ns = replay->now_ns,
				   .behind = NO_DEVICE };
	if (state != HELD_BEHIND)
		count_outstanding(replay, replay->devices[device], 1);
	return held;
}

/* ---- the end of a wait ----------------------------------------------------------------------------- */

/* From the first delay on, the recorded times of a device hold no more (R9). */
static void note_delay(struct replay *replay, struct device *device, const struct held_dma *held)
{
	uint64_t delay = replay->now_ns - held->request.time_ns;

	if (!device->delayed)
		device->delayed_event = held->event;
	device->delayed = true;
	if (delay > device->delay_ns)
		device->delay_ns = delay;
}

int held_retry_in(struct replay *replay, struct held_dma *held, uint64_t delay_ns, struct err *err)
{
	held->state = HELD_RETRY;
	if (clock_schedule(&replay->clock, replay->now_ns + delay_ns, ACTION_DMA_RETRY,
			   held->device))
		return no_memory(err);
	return 0;
}

void held_end(struct replay *replay, struct held_dma *held, const struct dma_result *result)
{
	struct device *device = replay->devices[held->device];
	struct held_dma done = *held;

	if (done.held_back)
		held_tell(replay, held, WAIT_HELD_BACK);
	note_delay(replay, device, &done);
	replay->count.artefacts += done.artefact;
	done.request.time_ns = replay->now_ns;
	forget(replay, held);
	count_outstanding(replay, device, -1);
	if (!done.artefact && (result->outcome != OUTCOME_OK || replay->observer->every_result))
		replay->observer->dma_done(replay->observer->self, done.event, &done.request,
					   result, done.device);
}

void held_fail(struct replay *replay, struct held_dma *held)
{
	struct dma_result result = {
		.pa = NO_PA, .outcome = OUTCOME_FAULT, .sees = SEES_ABORT, .fault = held->fault
	};

	held_end(replay, held, &result);
}

/* ---- another try ------------------------------------------------------------------------------------- */

/* An owner event after the DMA's recorded time, of the page that it reaches now. */
static bool owner_changed(const struct replay *replay, const struct held_dma *held)
{
	uint32_t number = device_domain(replay->devices[held->device], held->request.pasid);
	const struct imap_entry *mapping, *owner;

	if (number == NAME_NONE)
		return false;
	mapping = imap_at(replay->domains[number]->ledger, held->page);
	owner = mapping ? imap_at(replay->owners,
				  mapping->value[LEDGER_PA] + (held->page - mapping->first))
			: NULL;
	return owner && owner->value[OWNER_EVENT] > held->event;
}

int held_try(struct replay *replay, struct held_dma *held, struct err *err)
{
	struct dma_request request = held->request;
	struct dma_result result;
	uint64_t number = held->number;

	held->state = HELD_RETRY;
	held->artefact |= owner_changed(replay, held);
	replay->artefact = held->artefact;
	request.time_ns = replay->now_ns;
	dmas_one(replay, held->unit, &request, &result);
	replay->artefact = false;
	held = held_numbered(replay, number);
	held->fault = result.fault;
	if (result.sees == SEES_NOTHING && replay->machine->model->stalls)
		return stalls_again(replay, held, err);
	if (result.sees != SEES_NO_RIGHT) {
		held_end(replay, held, &result);
		return 0;
	}
	held->page = replay->units[held->unit].iommu->wanted;
	if (held->tries++ < replay->machine->run.retries)
		return pages_ask_for(replay, held, err);
	held_fail(replay, held);
	return 0;
}

/* What waited behind others of its device, in order, as far as it may have DMAs outstanding. */
int held_start_behind(struct replay *replay, struct device *device, struct err *err)
{
	struct held_dma *held;

	while (device->n_held < most_held(device) &&
	       (held = held_first(replay, device->number, HELD_BEHIND))) {
		count_outstanding(replay, device, 1);
		if (held_try(replay, held, err))
			return -1;
	}
	return 0;
}

int held_retry(struct replay *replay, uint32_t device, struct err *err)
{
	struct held_dma *held = held_first(replay, device, HELD_RETRY);

	if (held && held_try(replay, held, err))
		return -1;
	return held_start_behind(replay, replay->devices[device], err);
}

int held_behind(struct replay *replay, const struct event *event, const struct dma_request *request,
		bool *waits, struct err *err)
{
	uint32_t number = replay->agents[event->agent].device;
	const struct device *device = replay->devices[number];

	*waits = device->n_held >= most_held(device) ||
		 (device->n_held && held_first(replay, number, HELD_BEHIND));
	if (!*waits)
		return 0;
	if (replay->n_held >= HELD_MAX) {
		replay->count.held_dropped++;
		return 0;
	}
	return held_add(replay, number, replay_event_number(replay, event), request, HELD_BEHIND)
		       ? 0
		       : no_memory(err);
}

void held_touched(struct replay *replay, const struct domain *domain, iova_t first, iova_t last)
{
	for (uint32_t i = 0; i < replay->n_held; i++) {
		struct held_dma *held = &replay->held[i];
		iova_t end = held->request.iova + (held->request.len ? held->request.len - 1 : 0);

		if (device_domain(replay->devices[held->device], held->request.pasid) ==
			    domain->number &&
		    held->request.iova <= last && end >= first)
			held->artefact = true;
	}
}

void held_unanswered(struct replay *replay)
{
	for (uint32_t i = 0; i < replay->n_held; i++) {
		const struct held_dma *held = &replay->held[i];

		if (held->state == HELD_CREDIT || held->held_back)
			held_tell(replay, held, WAIT_HELD_NEVER);
		else if (held->state == HELD_STALLED)
			held_tell(replay, held, WAIT_NEVER);
	}
	replay->count.held_at_end = replay->n_held;
	free(replay->held);
	replay->held = NULL;
	replay->n_held = replay->max_held = 0;
}
