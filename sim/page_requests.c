/*
 * Page requests in a replay: recorded ones, those that DMAs of devices with pri=yes make, and the
 * handler that answers (drivers 11.3, 11.4). The DMAs that wait for them are in held.c.
 */
#include <stdlib.h>
#include <string.h>

#include "sim/replay_private.h"

static struct iommu *iommu_of(const struct replay *replay, uint32_t unit)
{
	return replay->units[unit].iommu;
}

static const struct page_queue_ops *pages_of(const struct replay *replay)
{
	return replay->machine->model->pages;
}

static int no_memory(struct err *err)
{
	return err_no_memory(err, "page requests");
}

/* ---- waits, as they are told --------------------------------------------------------------------- */

static void tell_wait(struct replay *replay, const struct device *device,
		      const struct pri_group *group, enum wait_end end)
{
	struct page_wait wait = { .device = device->number,
				  .domain = device_domain(device, group->pasid),
				  .pasid = group->pasid,
				  .iova = group->iova,
				  .write = group->write,
				  .event = group->event,
				  .time_ns = group->time_ns,
				  .end_ns = replay->now_ns,
				  .end = end,
				  .behind = group->behind };

	replay->observer->page_waited(replay->observer->self, &wait);
}

/* ---- sending ------------------------------------------------------------------------------------------ */

static int take_page_interrupt(struct replay *replay, uint32_t unit, struct err *err)
{
	struct iommu *iommu = iommu_of(replay, unit);
	const struct run_config *run = &replay->machine->run;
	struct page_handler *handler = &replay->units[unit].pages;

	if (replay_take_interrupt(replay, unit, replay->now_ns, err))
		return -1; /* a refused request has a fault record */
	if (!iommu->page_interrupt)
		return 0;
	iommu->page_interrupt = false;
	if (run->pri_handler != HANDLER_LINUX || handler->running)
		return 0;
	handler->running = true;
	if (clock_schedule(&replay->clock, replay->now_ns + run->irq_latency, ACTION_PAGE_HANDLER,
			   unit))
		return no_memory(err);
	return 0;
}

/* Another device whose requests the unit has and has not answered yet. */
static uint32_t ahead_of(const struct replay *replay, const struct device *device)
{
	for (uint32_t i = 0; i < replay->n_devices; i++)
		if (replay->devices[i] && replay->devices[i] != device &&
		    replay->devices[i]->unit == device->unit && replay->devices[i]->pri_state.n)
			return i;
	return NO_DEVICE;
}

static int answered(struct replay *replay, struct device *device, struct pri_group *group,
		    enum page_code code, struct err *err);

static enum page_code automatic_code(enum page_fate fate)
{
	return fate == PAGE_AUTO_SUCCESS   ? PAGE_SUCCESS
	       : fate == PAGE_AUTO_INVALID ? PAGE_INVALID
					   : PAGE_FAILURE;
}

/* The message to the unit; an automatic answer comes back at once. */
static int send(struct replay *replay, struct device *device, const struct page_request *request,
		uint64_t event, bool own, struct err *err)
{
	struct iommu *iommu = iommu_of(replay, device->unit);
	uint32_t behind = ahead_of(replay, device);
	bool stop = request->last && !request->read && !request->write;
	struct pri_group *group = stop ? NULL : pri_sent(&device->pri_state, request, event);
	enum page_fate fate;

	if (!stop && !group)
		return no_memory(err);
	replay->count.pages_asked++;
	replay->unit_at_hand = device->unit;
	fate = pages_of(replay)->request(iommu, replay->event, request);
	if (group && group->behind == NO_DEVICE)
		group->behind = behind;
	if (group)
		group->own = own;
	if (group && fate != PAGE_QUEUED && fate != PAGE_LOST &&
	    answered(replay, device, group, automatic_code(fate), err))
		return -1;
	return take_page_interrupt(replay, device->unit, err);
}

/* The page request of a held DMA, or the wait for a credit. */
int pages_ask_for(struct replay *replay, struct held_dma *held, struct err *err)
{
	struct device *device = replay->devices[held->device];
	struct page_request request = { .time_ns = replay->now_ns,
					.iova = held->page,
					.device = device->handle,
					.pasid = held->request.pasid,
					.last = true,
					.read = held->request.access & ACCESS_READ,
					.write = held->request.access & ACCESS_WRITE };
	unsigned group;

	if (!pri_may_send(&device->pri_state) ||
	    (group = pri_new_group(&device->pri_state)) == PRI_GROUPS) {
		if (held->state != HELD_CREDIT)
			held->since_ns = replay->now_ns;
		held->state = HELD_CREDIT;
		return 0;
	}
	if (held->state == HELD_CREDIT)
		held_tell(replay, held, WAIT_HELD_BACK);
	held->state = HELD_PAGE;
	held->group = (uint16_t)group;
	request.group = held->group;
	return send(replay, device, &request, held->event, true, err);
}

/* ---- the end of a wait ----------------------------------------------------------------------------------- */

/* What waits for a credit of this device, oldest first. */
static int use_credits(struct replay *replay, uint32_t device, struct err *err)
{
	const struct pri_interface *pri = &replay->devices[device]->pri_state;
	struct held_dma *held;

	while ((held = held_first(replay, device, HELD_CREDIT))) {
		if (pri->stopped) {
			held_fail(replay, held);
			continue;
		}
		if (!pri_may_send(pri))
			return 0;
		if (pages_ask_for(replay, held, err))
			return -1;
		if (pri->n == PRI_GROUPS)
			return 0; /* no index is free */
	}
	return 0;
}

static struct held_dma *waits_for(struct replay *replay, uint32_t device, uint32_t pasid,
				  uint16_t group)
{
	for (uint32_t i = 0; i < replay->n_held; i++) {
		struct held_dma *held = &replay->held[i];

		if (held->device == device && held->state == HELD_PAGE && held->group == group &&
		    held->request.pasid == pasid)
			return held;
	}
	return NULL;
}

/* The response has reached the device. */
static int answered(struct replay *replay, struct device *device, struct pri_group *group,
		    enum page_code code, struct err *err)
{
	uint32_t pasid = group->pasid;
	uint16_t index = group->group;
	struct held_dma *held;

	replay->count.pages_answered++;
	tell_wait(replay, device, group, WAIT_ANSWERED);
	pri_answered(&device->pri_state, group, code);
	while ((held = waits_for(replay, device->number, pasid, index))) {
		if (code != PAGE_SUCCESS)
			held_fail(replay, held);
		else if (held_retry_in(replay, held, replay->machine->run.retry_delay, err))
			return -1;
	}
	return use_credits(replay, device->number, err);
}

bool pages_may_hold(const struct replay *replay, const struct event *event,
		    const struct dma_result *result)
{
	const struct device *device;

	if (result->sees != SEES_NO_RIGHT || result->outcome != OUTCOME_FAULT ||
	    replay->machine->run.page_requests != PAGES_OF_DMA || !pages_of(replay) ||
	    dma_answered(event) || event_has(event, DMA_ATS))
		return false;
	device = replay->devices[replay->agents[event->agent].device];
	return device->pri && !device->records_requests;
}

int pages_hold(struct replay *replay, const struct event *event, const struct dma_request *request,
	       const struct dma_result *result, struct err *err)
{
	uint32_t device = replay->agents[event->agent].device;
	struct held_dma *held =
		held_add(replay, device, replay_event_number(replay, event), request, HELD_PAGE);

	if (!held)
		return no_memory(err);
	held->fault = result->fault;
	held->page = iommu_of(replay, held->unit)->wanted;
	if (pages_ask_for(replay, held, err))
		return -1;
	return held_start_behind(replay, replay->devices[device], err);
}

/* ---- the handler ------------------------------------------------------------------------------------------------ */

enum { BATCH = 16384 }; /* the largest queue: 128 entries of order 7 */

int pages_handler(struct replay *replay, uint32_t unit, struct err *err)
{
	struct page_handler *handler = &replay->units[unit].pages;

	if (!handler->batch) {
		handler->batch = malloc(2ull * BATCH * sizeof *handler->batch);
		handler->partial = handler->batch ? handler->batch + BATCH : NULL;
	}
	if (!handler->batch)
		return no_memory(err);
	handler->next = 0;
	handler->n = pages_of(replay)->read(iommu_of(replay, unit), replay->event, handler->batch,
					    BATCH);
	handler->running = handler->n != 0;
	if (handler->n &&
	    clock_schedule(&replay->clock, replay->now_ns + replay->machine->run.page_service,
			   ACTION_PAGE_SERVED, unit))
		return no_memory(err);
	return 0;
}

/* A physical page for a fault: memory that no recorded address names, below the tables'. */
static pa_t fresh_page(struct replay *replay)
{
	return replay->table_area / 2 + 4096 * replay->n_pages++;
}

/* Has the page present, with the right asked for. False: there is none to be had. */
bool pages_make_present(struct replay *replay, struct device *device,
			const struct page_request *request, struct err *err, int *status)
{
	uint32_t number = device_domain(device, request->pasid);
	struct domain *domain = number == NAME_NONE ? NULL : replay->domains[number];
	const struct imap_entry *mapping;
	uint64_t want = (request->read ? TLB_READ : 0u) | (request->write ? TLB_WRITE : 0u);

	if (!domain || domain->raw ||
	    request->iova > low_mask(replay->machine->model->address_bits(
				    iommu_of(replay, device->unit), domain->levels)))
		return false;
	mapping = imap_at(domain->ledger, request->iova);
	if (mapping)
		return !(want & ~mapping->value[LEDGER_PERM]);
	if (replay->machine->run.page_action == PAGE_ACTION_MAP) {
		replay->count.pages_mapped++;
		*status = update_adopt(replay, domain, request->iova, fresh_page(replay), err);
	}
	return true;
}

static bool same_group(const struct page_request *a, const struct page_request *b)
{
	return a->device == b->device && a->pasid == b->pasid && a->group == b->group;
}

/* The members of the group: those of its partial list, and its last. False: one has no page. */
static bool serve_group(struct replay *replay, struct device *device, struct page_handler *handler,
			const struct page_request *last, struct err *err, int *status)
{
	size_t kept = 0;
	bool fine = true;

	for (size_t i = 0; i < handler->n_partial; i++) {
		if (!same_group(&handler->partial[i], last)) {
			handler->partial[kept++] = handler->partial[i];
			continue;
		}
		fine = fine &&
		       pages_make_present(replay, device, &handler->partial[i], err, status);
	}
	handler->n_partial = kept;
	return fine && !*status && pages_make_present(replay, device, last, err, status);
}

static int respond(struct replay *replay, struct device *device, struct pri_group *group,
		   enum page_code code, struct err *err)
{
	struct page_response response = { device->handle, group->pasid, group->group, code };
	struct iommu *iommu = iommu_of(replay, device->unit);
	struct native_command command;
	struct inval_report report;
	struct err refused;

	replay->unit_at_hand = device->unit;
	pages_of(replay)->encode(iommu, &response, &command);
	if (iommu->model->execute(iommu, replay->event, &command, &report, &refused))
		return 0; /* refused by the hardware's rules: nothing reaches the device */
	return answered(replay, device, group, code, err);
}

/* One request of the batch is through. */
static int serve(struct replay *replay, uint32_t unit, const struct page_request *request,
		 struct err *err)
{
	struct page_handler *handler = &replay->units[unit].pages;
	struct device *device;
	struct pri_group *group;
	int status = 0;
	bool fine;

	if (request->device == NO_DEVICE)
		return 0;
	device = replay->devices[replay->handles[unit][request->device]];
	group = pri_find(&device->pri_state, request->pasid, request->group);
	if (!group || (!group->own && replay->machine->run.page_responses == RESPONSES_RECORDED))
		return 0; /* answered already, or the recording answers */
	if (!request->last) {
		if (handler->n_partial < BATCH)
			handler->partial[handler->n_partial++] = *request;
		return 0;
	}
	fine = serve_group(replay, device, handler, request, err, &status);
	if (status || respond(replay, device, group, fine ? PAGE_SUCCESS : PAGE_INVALID, err))
		return -1;
	return held_start_behind(replay, device, err);
}

int pages_served(struct replay *replay, uint32_t unit, struct err *err)
{
	struct page_handler *handler = &replay->units[unit].pages;
	struct page_request request = handler->batch[handler->next++];

	if (serve(replay, unit, &request, err))
		return -1;
	if (handler->next < handler->n) {
		if (clock_schedule(&replay->clock,
				   replay->now_ns + replay->machine->run.page_service,
				   ACTION_PAGE_SERVED, unit))
			return no_memory(err);
		return 0;
	}
	/* The head is written once the whole batch is through. */
	replay->unit_at_hand = unit;
	if (pages_of(replay)->done(iommu_of(replay, unit), replay->event, handler->n) &&
	    replay->machine->run.discard_on_overflow)
		handler->n_partial = 0; /* their last may have been answered by hardware */
	return pages_handler(replay, unit, err);
}

/* ---- recorded events ---------------------------------------------------------------------------------------------- */

static struct device *device_of(struct replay *replay, const struct event *event, struct err *err)
{
	uint32_t number = names_agent_of(replay->names, event->agent).device;

	if (number < replay->n_devices && replay->devices[number])
		return replay->devices[number];
	replay_error(replay, ERR_INPUT, err,
		     "its device was never declared; a `device` event must come first");
	return NULL;
}

int pages_request_event(struct replay *replay, const struct event *event, struct err *err)
{
	struct device *device = device_of(replay, event, err);
	uint32_t pasid = names_agent_of(replay->names, event->agent).pasid;
	uint64_t group = event_value(replay->batch, event, REQUEST_GROUP);
	struct page_request request = { .time_ns = event->time_ns,
					.iova = event->addr,
					.pasid = pasid == PASID_NONE ? NO_PASID : pasid,
					.group = (uint16_t)group,
					.last = event_has(event, REQUEST_LAST),
					.read = event_verb(event) == 0,
					.write = event_verb(event) == 1 };

	if (!device)
		return -1;
	if (group >= PRI_GROUPS)
		return replay_error(replay, ERR_INPUT, err,
				    "group=%llu: expected 0 to %d, the indexes of page request "
				    "groups",
				    (unsigned long long)group, PRI_GROUPS - 1);
	if (!pages_of(replay))
		return 0;
	device->records_requests = true;
	request.device = device->handle;
	return send(replay, device, &request, replay->event, false, err);
}

int pages_respond_event(struct replay *replay, const struct event *event, struct err *err)
{
	static const enum page_code codes[] = { PAGE_SUCCESS, PAGE_INVALID, PAGE_FAILURE,
						PAGE_SUCCESS, PAGE_INVALID };
	struct device *device = device_of(replay, event, err);
	enum page_code code = codes[event_verb(event) % 5];
	struct pri_group *group;

	if (!device)
		return -1;
	if (event_has(event, RESPOND_TAG) ||
	    (!event_has(event, RESPOND_GROUP) && held_first(replay, device->number, HELD_STALLED)))
		return stalls_respond(replay, device, event, code == PAGE_SUCCESS, err);
	if (!pages_of(replay))
		return 0;
	if (event_has(event, RESPOND_GROUP))
		group = pri_find(&device->pri_state, ALL_PASIDS,
				 (unsigned)event_value(replay->batch, event, RESPOND_GROUP));
	else
		group = pri_oldest(&device->pri_state);
	if (!group) {
		device->pri_state.unexpected++;
		replay->count.pages_unexpected++;
		return 0;
	}
	if (respond(replay, device, group, code, err))
		return -1;
	return held_start_behind(replay, device, err);
}

/* A recorded command that is a response. */
int pages_command(struct replay *replay, uint32_t unit, const struct native_command *command,
		  struct err *err)
{
	struct page_response response;
	struct pri_group *group;
	struct device *device;

	if (!pages_of(replay) ||
	    !pages_of(replay)->decode(iommu_of(replay, unit), command, &response))
		return 0;
	device = replay->devices[replay->handles[unit][response.device]];
	group = pri_find(&device->pri_state, response.pasid, response.group);
	if (group)
		return answered(replay, device, group, response.code, err) ||
				       held_start_behind(replay, device, err)
			       ? -1
			       : 0;
	device->pri_state.unexpected++;
	replay->count.pages_unexpected++;
	return 0;
}

/* Software wrote a register: the interrupt may have been unmasked. */
int pages_register(struct replay *replay, uint32_t unit, struct err *err)
{
	return pages_of(replay) ? take_page_interrupt(replay, unit, err) : 0;
}

/* What has no answer when the recording ends. */
void pages_unanswered(struct replay *replay)
{
	for (uint32_t i = 0; i < replay->n_devices; i++) {
		struct device *device = replay->devices[i];

		for (uint32_t g = 0; device && g < device->pri_state.n; g++)
			tell_wait(replay, device, &device->pri_state.groups[g], WAIT_NEVER);
		if (device)
			replay->count.pages_beyond += device->pri_state.beyond;
	}
}

void pages_free(struct replay *replay)
{
	for (uint32_t i = 0; i < replay->n_units; i++)
		free(replay->units[i].pages.batch);
	for (uint32_t i = 0; i < replay->n_devices; i++)
		if (replay->devices[i])
			pri_free(&replay->devices[i]->pri_state);
}
