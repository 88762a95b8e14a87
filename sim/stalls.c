/*
 * Stalls in a replay: DMAs that the unit holds until software decides (SMMUv3; drivers 11.5; rules R9).
 *
 * The unit says what becomes of each (struct stall_ops); here it is a held DMA, which waits as one that
 * waits for a page does. The driver's handler finds a stall when it reads the fault queue and serves one
 * after the other, or recorded `respond` events and commands answer. A transaction whose record has no
 * room is held back: software does not know of it, and it is issued again when there is room.
 */
#include "sim/replay_private.h"

static const struct stall_ops *stalls_of(const struct replay *replay)
{
	return replay->machine->model->stalls;
}

static int no_memory(struct err *err)
{
	return err_no_memory(err, "stalled DMAs");
}

static struct held_dma *held_stall(struct replay *replay, uint32_t unit, uint64_t serial)
{
	for (uint32_t i = 0; i < replay->n_held; i++) {
		struct held_dma *held = &replay->held[i];

		if (held->unit == unit && held->stall == serial && serial)
			return held;
	}
	return NULL;
}

/* Another device with stalls that software has not answered. */
static uint32_t ahead_of(const struct replay *replay, const struct held_dma *held)
{
	for (uint32_t i = 0; i < replay->n_held; i++)
		if (replay->held[i].unit == held->unit && replay->held[i].device != held->device &&
		    replay->held[i].state == HELD_STALLED)
			return replay->held[i].device;
	return NO_DEVICE;
}

bool stalls_hold(const struct event *event)
{
	return !dma_answered(event);
}

/* ---- what the unit says ----------------------------------------------------------------------------- */

/* It stalled, now or once more. A wait without a record goes on until there is one. */
static void stalled(struct replay *replay, struct held_dma *held, const struct stall *stall)
{
	bool recorded = stall->state == STALL_RECORDED;

	held->stall = stall->serial;
	if (held->held_back && recorded)
		held_tell(replay, held, WAIT_HELD_BACK);
	if (!held->held_back || recorded) {
		held->since_ns = replay->now_ns;
		held->behind = recorded ? ahead_of(replay, held)
			       : stall->holder != NO_DEVICE
				       ? replay->handles[held->unit][stall->holder]
				       : NO_DEVICE;
	}
	held->request = stall->request;
	held->page = stall->request.iova & ~0xfffull;
	held->state = HELD_STALLED;
	held->held_back = !recorded;
	held->known = false;
	held->tag = stall->tag;
	held->fault = stall->fault;
}

/* A stall that no held DMA is yet: of a recorded DMA, or the second page of `tried`. */
static int begin(struct replay *replay, uint32_t unit, const struct stall *stall,
		 const struct held_dma *tried, struct err *err)
{
	uint32_t device = replay->handles[unit][stall->request.device];
	uint64_t event = tried ? tried->event : stall->event;
	struct held_dma *held;

	if (!tried && !stalls_hold(&replay->batch->events[event - replay->batch->first]))
		return 0;
	held = held_add(replay, device, event, &stall->request, HELD_STALLED);
	if (!held)
		return no_memory(err);
	stalled(replay, held, stall);
	return 0;
}

/* What became of one: tried again, as if it had just arrived, or over. */
static int moved(struct replay *replay, struct held_dma *held, const struct stall *stall,
		 struct err *err)
{
	struct device *device = replay->devices[held->device];
	struct dma_result end = stall->end;

	if (!held->held_back)
		held_tell(replay, held, WAIT_ANSWERED);
	if (stall->state == STALL_AGAIN)
		return held_retry_in(replay, held, 0, err);
	end.fault = held->fault;
	held_end(replay, held, &end);
	return held_start_behind(replay, device, err);
}

int stalls_settle(struct replay *replay, uint32_t unit, struct err *err)
{
	struct iommu *iommu = replay->units[unit].iommu;
	struct stall stall;

	while (iommu->stall_news && stalls_of(replay)->next(iommu, &stall)) {
		struct held_dma *held = held_stall(replay, unit, stall.serial);
		bool waits = stall.state == STALL_UNRECORDED || stall.state == STALL_RECORDED;

		if (held ? moved(replay, held, &stall, err)
			 : waits && begin(replay, unit, &stall, NULL, err))
			return -1;
	}
	return replay_take_interrupt(replay, unit, replay->now_ns, err);
}

int stalls_again(struct replay *replay, struct held_dma *held, struct err *err)
{
	struct iommu *iommu = replay->units[held->unit].iommu;
	struct held_dma tried = *held;
	struct stall stall;
	bool found = false;

	while (iommu->stall_news && stalls_of(replay)->next(iommu, &stall)) {
		struct held_dma *other = held_stall(replay, tried.unit, stall.serial);

		if (other && moved(replay, other, &stall, err))
			return -1;
		if (other)
			continue;
		if (!found)
			stalled(replay, held_numbered(replay, tried.number), &stall);
		else if (begin(replay, tried.unit, &stall, &tried, err))
			return -1;
		found = true;
	}
	return replay_take_interrupt(replay, tried.unit, replay->now_ns, err);
}

/* ---- software's answers ------------------------------------------------------------------------------ */

static int answer(struct replay *replay, const struct held_dma *held, bool again, struct err *err)
{
	struct iommu *iommu = replay->units[held->unit].iommu;
	struct stall stall = { .request = held->request, .tag = held->tag };
	struct native_command command;
	struct inval_report report;
	uint32_t unit = held->unit;
	struct err refused;

	replay->unit_at_hand = unit;
	stalls_of(replay)->encode(iommu, &stall, again, &command);
	if (iommu->model->execute(iommu, replay->event, &command, &report, &refused))
		return 0; /* refused by the hardware's rules: it stays where it is */
	return stalls_settle(replay, unit, err);
}

static struct held_dma *first_known(struct replay *replay, uint32_t unit)
{
	for (uint32_t i = 0; i < replay->n_held; i++)
		if (replay->held[i].unit == unit && replay->held[i].known)
			return &replay->held[i];
	return NULL;
}

/* The next of those that the handler has found, once it is through with the one before. */
static int serve_next(struct replay *replay, uint32_t unit, struct err *err)
{
	if (replay->units[unit].serves_stall || !first_known(replay, unit))
		return 0;
	replay->units[unit].serves_stall = true;
	if (clock_schedule(&replay->clock, replay->now_ns + replay->machine->run.page_service,
			   ACTION_STALL_SERVED, unit))
		return no_memory(err);
	return 0;
}

int stalls_read(struct replay *replay, uint32_t unit, struct err *err)
{
	for (uint32_t i = 0; i < replay->n_held; i++) {
		struct held_dma *held = &replay->held[i];

		if (held->unit == unit && held->state == HELD_STALLED && !held->held_back &&
		    replay->machine->run.stall_answers == RESPONSES_OF_HANDLER)
			held->known = true;
	}
	return serve_next(replay, unit, err);
}

int stalls_served(struct replay *replay, uint32_t unit, struct err *err)
{
	struct held_dma *held = first_known(replay, unit);
	struct page_request wanted;
	int status = 0;
	bool fine;

	replay->units[unit].serves_stall = false;
	if (!held) /* a recorded event has answered it */
		return 0;
	wanted = (struct page_request){ .iova = held->request.iova,
					.pasid = held->request.pasid,
					.read = held->request.access & ACCESS_READ,
					.write = held->request.access & ACCESS_WRITE };
	held->known = false;
	fine = pages_make_present(replay, replay->devices[held->device], &wanted, err, &status) &&
	       held->tries++ < replay->machine->run.retries;
	if (status || answer(replay, held, fine, err))
		return -1;
	return serve_next(replay, unit, err);
}

int stalls_respond(struct replay *replay, const struct device *device, const struct event *event,
		   bool again, struct err *err)
{
	for (uint32_t i = 0; i < replay->n_held; i++) {
		const struct held_dma *held = &replay->held[i];

		if (held->device != device->number || held->state != HELD_STALLED ||
		    held->held_back ||
		    (event_has(event, RESPOND_TAG) &&
		     event_value(replay->batch, event, RESPOND_TAG) != held->tag))
			continue;
		return answer(replay, held, again, err);
	}
	replay->count.pages_unexpected++;
	return 0;
}
