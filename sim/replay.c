/*
 * The loop: recorded events in file order, the model's own events between them, DMAs in runs.
 * At equal times recorded events come first (rules R7).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/points_private.h"
#include "sim/spans.h"
#include "traces/meta.h"

#define unlikely(x) __builtin_expect(!!(x), 0)

int replay_error(const struct replay *replay, enum err_code code, struct err *err,
		 const char *format, ...)
{
	char where[256] = "recording", text[400];
	va_list args;

	if (replay->source && replay->source->ops->where)
		replay->source->ops->where(replay->source, replay->event, where, sizeof where);
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return err_set(err, code, "%s: %s", where, text);
}

int replay_create(const struct machine *machine, const struct replay_observer *observer,
		  const struct iommu_observer *caches, struct replay **out, struct err *err)
{
	enum { MEMORY_BITS = 52 };
	struct replay *replay = calloc(1, sizeof *replay);

	if (!replay)
		return err_no_memory(err, "a replay");
	replay->machine = machine;
	replay->observer = observer;
	replay->caches = caches;
	replay->steps = observer->stepped;
	if (machine->run.policy != POLICY_RECORDED) /* Linux */
		replay->rules =
			(struct write_rules){ .refuse_live = true,
					      .free_tables = true,
					      .free_empty = machine->run.keep_empty_tables !=
							    KEEP_EMPTY_YES,
					      .widen = true };
	replay->policy_invals = machine->run.inval_from == INVAL_FROM_POLICY ||
				(machine->run.inval_from == INVAL_FROM_AUTO &&
				 machine->run.policy != POLICY_RECORDED);
	if (machine->run.policy == POLICY_RECORDED && replay->policy_invals) {
		free(replay);
		return err_set(err, ERR_CONFIG,
			       "inval_from=policy with policy=recorded: this policy makes no "
			       "invalidations; "
			       "choose linux-strict or linux-lazy, or inval_from=recording");
	}
	event_plans_make(replay->plans);
	if (memory_create(1ull << MEMORY_BITS, &replay->memory, err) ||
	    tables_create(replay->memory, &replay->tables, err) ||
	    imap_create(NULL, &replay->owners)) {
		replay_destroy(replay);
		return err_no_memory(err, "a replay");
	}
	*out = replay;
	return 0;
}

static void destroy_domain(struct domain *domain)
{
	if (!domain)
		return;
	imap_destroy(domain->ledger);
	imap_destroy(domain->touched);
	imap_destroy(domain->gone);
	imap_destroy(domain->asked);
	imap_destroy(domain->unjudged);
	free(domain);
}

static void free_list(struct freed_table *list)
{
	while (list) {
		struct freed_table *next = list->next;

		free(list);
		list = next;
	}
}

void replay_destroy(struct replay *replay)
{
	if (!replay)
		return;
	if (replay->points)
		points_destroy(replay);
	for (uint32_t i = 0; i < replay->n_domains; i++) {
		if (replay->queues)
			fq_destroy(replay, replay->queues[i]);
		destroy_domain(replay->domains[i]);
	}
	pages_free(replay);
	for (uint32_t i = 0; i < replay->n_devices; i++) {
		if (replay->devices[i])
			free(replay->devices[i]->pasids);
		free(replay->devices[i]);
	}
	for (uint32_t i = 0; i < replay->n_handle_lists; i++)
		free(replay->handles[i]);
	for (uint32_t i = 0; i < replay->n_units; i++)
		replay->units[i].iommu->model->destroy(replay->units[i].iommu);
	for (uint32_t i = 0; i < replay->n_pending; i++)
		if (replay->pending[i].used && replay->pending[i].awaited)
			free_list(replay->pending[i].awaiting.free);
	free_list(replay->spare_freed);
	spans_destroy(replay->reverse);
	imap_destroy(replay->owners);
	tables_destroy(replay->tables);
	memory_destroy(replay->memory);
	free(replay->domains);
	free(replay->queues);
	free(replay->devices);
	free(replay->handles);
	free(replay->units);
	free(replay->agents);
	for (uint32_t i = 0; i < replay->n_plain_units; i++)
		free(replay->plain_handles[i]);
	free(replay->plain_handles);
	free(replay->agent_domains);
	free(replay->space_domain);
	free(replay->clock.heap);
	free(replay->pending);
	answers_destroy(replay);
	free(replay->held);
	free(replay);
}

static inline __attribute__((always_inline)) int act(struct replay *replay,
						     const struct action *action, struct err *err)
{
	struct iommu *iommu;

	replay->now_ns = action->time_ns;
	switch (action->kind) {
	case ACTION_INVAL_EXECUTE:
		return inval_execute(replay, action->subject, err);
	case ACTION_INVAL_DRAINED:
		return inval_complete(replay, action->subject, err);
	case ACTION_FQ_TIMER:
		return fq_timer(replay, action->subject, err);
	case ACTION_RIGHTS:
		return rights_judge(replay, action->subject, err);
	case ACTION_FAULT_HANDLER:
		iommu = replay->units[action->subject].iommu;
		replay->unit_at_hand = action->subject;
		replay->observer->handler_ran(replay->observer->self, action->subject,
					      replay->now_ns);
		iommu->model->acknowledge_faults(iommu, replay->event);
		return stalls_read(replay, action->subject, err);
	case ACTION_PAGE_HANDLER:
		return pages_handler(replay, action->subject, err);
	case ACTION_PAGE_SERVED:
		return pages_served(replay, action->subject, err);
	case ACTION_DMA_RETRY:
		return held_retry(replay, action->subject, err);
	case ACTION_STALL_SERVED:
		return stalls_served(replay, action->subject, err);
	}
	return 0;
}

int replay_act(struct replay *replay, const struct action *action, struct err *err)
{
	return act(replay, action, err);
}

/* A step was made: what stalled transactions have come to by it. */
static inline int step_made(struct replay *replay, struct err *err)
{
	if (!replay->steps)
		return 0;
	for (uint32_t i = 0; replay->stalls && i < replay->n_units; i++)
		if (unlikely(replay->units[i].iommu->stall_news) && stalls_settle(replay, i, err))
			return -1;
	if (replay->observer->stepped)
		replay->observer->stepped(replay->observer->self);
	return 0;
}

static inline bool is_due(const struct replay *replay, uint64_t until)
{
	uint64_t at;

	return clock_next(&replay->clock, &at) && at < until;
}

/* The model's own events that come before `until`. */
static int run_due(struct replay *replay, uint64_t until, struct err *err)
{
	while (is_due(replay, until)) {
		struct action action = clock_take(&replay->clock);

		/* that a handler reads a queue changes neither tables nor caches */
		if (action.kind != ACTION_FAULT_HANDLER && action.kind != ACTION_PAGE_HANDLER)
			replay->acted_ns = action.time_ns;
		replay->order_limit = action.order + 1;
		if (act(replay, &action, err) || step_made(replay, err))
			return -1;
	}
	return 0;
}

/* A fault interrupt on its way to the handler. */
int replay_take_interrupt(struct replay *replay, uint32_t unit, uint64_t time_ns, struct err *err)
{
	struct iommu *iommu = replay->units[unit].iommu;
	const struct run_config *run = &replay->machine->run;

	if (!iommu->interrupt)
		return 0;
	iommu->interrupt = false;
	if (replay->points) /* its own IOMMUs serve nobody */
		return 0;
	if (run->handler != HANDLER_LINUX)
		return 0;
	if (clock_schedule(&replay->clock, time_ns + run->irq_latency + run->handler_service,
			   ACTION_FAULT_HANDLER, unit))
		return err_no_memory(err, "the clock");
	return 0;
}

/* ---- everything else --------------------------------------------------------------------- */

static int reg_event(struct replay *replay, const struct event *event, struct err *err)
{
	uint64_t value = event_value(replay->batch, event, REG_VALUE);
	unsigned size = event_has(event, REG_SIZE)
				? (unsigned)event_value(replay->batch, event, REG_SIZE)
				: 4;
	uint32_t number = event_has(event, REG_IOMMU)
				  ? (uint32_t)event_value(replay->batch, event, REG_IOMMU)
				  : NAME_NONE;
	struct unit *unit = setup_unit(replay, replay->n_units == 1 ? NAME_NONE : number, err);

	if (!unit)
		return -1;
	if (replay->foreign)
		return 0;
	if (!event_has(event, REG_SIZE) && value > UINT32_MAX)
		size = 8;
	replay->unit_at_hand = (uint32_t)(unit - replay->units);
	/* registers that the model does not have are software's business */
	unit->iommu->model->reg_write(unit->iommu, replay->event, event->addr, value, size);
	if (replay->points &&
	    points_reg_write(replay, replay->unit_at_hand, event->addr, value, size, err))
		return -1;
	if (pages_register(replay, replay->unit_at_hand, err))
		return -1;
	return replay_take_interrupt(replay, replay->unit_at_hand, replay->now_ns, err);
}

/* Of the kinds that come seldom. */
static __attribute__((noinline)) int work_off_other(struct replay *replay,
						    const struct event *event, struct err *err)
{
	switch (event->kind) {
	case EVENT_IOMMU:
	case EVENT_DOMAIN:
	case EVENT_DEVICE:
		return setup_declare(replay, event, err);
	case EVENT_ATTACH:
		return setup_attach(replay, event, err);
	case EVENT_DETACH:
		return setup_detach(replay, event, err);
	case EVENT_PROTECT:
		return update_protect(replay, event, err);
	case EVENT_P2M:
		return update_p2m(replay, event, err);
	case EVENT_DIRTY:
		return dirty_event(replay, event, err);
	case EVENT_WRITE:
		return setup_units(replay, err) ? -1 : update_write(replay, event, err);
	case EVENT_DONE:
		return inval_done_event(replay, event, err);
	case EVENT_CMD:
		return inval_command(replay, event, err);
	case EVENT_REG:
		return reg_event(replay, event, err);
	case EVENT_FREE:
	case EVENT_ALLOC:
	case EVENT_OWNER:
		return owners_event(replay, event, err);
	case EVENT_REQUEST:
		return setup_units(replay, err) ? -1 : pages_request_event(replay, event, err);
	case EVENT_RESPOND:
		return pages_respond_event(replay, event, err);
	case EVENT_CACHE:
	case EVENT_LINE:
		words_line(replay, event);
		return 0;
	case EVENT_LOST:
		replay->lost = true;
		replay->lost_ns = replay->now_ns;
		replay->observer->lost(replay->observer->self, replay->event, replay->now_ns);
		return 0;
	default:
		return 0; /* marks, recorded faults and what this model has no part in */
	}
}

static inline int work_off(struct replay *replay, const struct event *event, struct err *err)
{
	switch (event->kind) {
	case EVENT_MAP:
		return update_map(replay, event, err);
	case EVENT_UNMAP:
		return update_unmap(replay, event, err);
	case EVENT_INVAL:
		return setup_units(replay, err) ? -1 : inval_event(replay, event, err);
	default:
		return work_off_other(replay, event, err);
	}
}

static __attribute__((noinline)) int check_and_work_off(struct replay *replay,
							const struct event *event, struct err *err)
{
	const struct event_plan *plan = &replay->plans[event->kind];
	char wrong[EVENT_WRONG];

	if (event_check(plan, replay->names, replay->batch, event, wrong))
		return replay_error(replay, ERR_INPUT, err, "'%s' with %s",
				    event_kinds[event->kind].word, wrong);
	return work_off(replay, event, err);
}

static inline int one_event(struct replay *replay, const struct event *event, struct err *err)
{
	return replay->batch->sure ||
			       event_surely_means(&replay->plans[event->kind], replay->batch, event)
		       ? work_off(replay, event, err)
		       : check_and_work_off(replay, event, err);
}

/* What the first events tell of the driver's choices, before its units start. */
static void look_ahead(struct replay *replay, const char *meta, const struct event_batch *batch)
{
	replay->use.first_stage = meta_says(meta, "source.tables = ", "first-stage");
	replay->use.second_stage = meta_says(meta, "source.tables = ", "second-stage");
	for (size_t i = 0; i < batch->n; i++) {
		const struct event *event = &batch->events[i];

		replay->use.pasids |=
			event->kind == EVENT_ATTACH &&
			names_agent_of(replay->names, event->agent).pasid != PASID_NONE;
		replay->use.page_requests |=
			event->kind == EVENT_REQUEST ||
			(event->kind == EVENT_DEVICE && event_has(event, DEVICE_PRI));
	}
}

int replay_batch(struct replay *replay, struct event_source *source,
		 const struct event_batch *batch, struct err *err)
{
	size_t i = 0;

	if (!replay->source)
		replay->foreign = meta_foreign(source->meta, replay->machine->model->name);
	replay->source = source;
	replay->names = source->names;
	replay->batch = batch;
	if (batch->first == 0)
		look_ahead(replay, source->meta, batch);
	while (i < batch->n) {
		const struct event *event = &batch->events[i];

		if (is_due(replay, event->time_ns)) {
			if (run_due(replay, event->time_ns, err))
				return -1;
			replay->order_limit = 0;
		}
		replay->now_ns = event->time_ns;
		replay->event = batch->first + i;
		if (event->kind == EVENT_DMA) {
			size_t done = 1;

			if (replay->points ? points_dmas(replay, batch, i, &done, err)
					   : dmas_run(replay, batch, i, &done, err))
				return -1;
			i += done;
			continue;
		}
		replay->event_flags = event->flags;
		if ((replay->points && points_event(replay, event, err)) ||
		    one_event(replay, event, err) || step_made(replay, err))
			return -1;
		i++;
	}
	replay->count.events += batch->n;
	return 0;
}

static void count_empty_tables(struct replay *replay)
{
	for (uint32_t i = 0; replay->rules.free_tables && i < replay->n_domains; i++)
		if (replay->domains[i] && !replay->domains[i]->raw && replay->domains[i]->root)
			replay->count.tables_empty +=
				writer_empty_tables(replay, replay->domains[i]);
}

/*
 * What the model had under way when the recording ends completes (an invalidation issued with
 * latency, a flush-queue timer): otherwise the last windows would look open for want of time.
 */
int replay_finish(struct replay *replay, struct err *err)
{
	uint64_t end = replay->now_ns;

	if (run_due(replay, UINT64_MAX, err))
		return -1;
	replay->now_ns = replay->acted_ns > end ? replay->acted_ns : end;
	count_empty_tables(replay);
	answers_finish(replay);
	pages_unanswered(replay);
	held_unanswered(replay);
	replay->end_ns = end;
	return replay->points ? points_finish(replay, err) : 0;
}

/* ---- what the detector asks ---------------------------------------------------------------- */

const struct replay_counters *replay_counters(const struct replay *replay)
{
	return &replay->count;
}

uint64_t replay_now_ns(const struct replay *replay)
{
	if (!replay->in_dma)
		return replay->now_ns;
	return replay->dmas ? replay->dmas[replay->in_dma->event - replay->first_dma].time_ns
			    : replay->requests[0].time_ns;
}

uint64_t replay_event(const struct replay *replay)
{
	return replay->in_dma ? replay->in_dma->event : replay->event;
}

uint64_t replay_seq(const struct replay *replay)
{
	return replay->seq;
}

const struct inval_op *replay_executing(const struct replay *replay)
{
	return replay->executing;
}

bool replay_artefact(const struct replay *replay)
{
	return replay->artefact;
}

uint32_t replay_unit_at_hand(const struct replay *replay)
{
	return replay->unit_at_hand;
}

const struct domain *replay_domain(const struct replay *replay, uint32_t number)
{
	return number < replay->n_domains ? replay->domains[number] : NULL;
}

uint32_t replay_number_of_space(const struct replay *replay, uint32_t space)
{
	return space && space < replay->n_spaces ? replay->space_domain[space] : NAME_NONE;
}

const struct domain *replay_domain_of_space(const struct replay *replay, uint32_t space)
{
	return replay_domain(replay, replay_number_of_space(replay, space));
}

const struct device *replay_device(const struct replay *replay, uint32_t unit, uint32_t handle)
{
	return replay->devices[replay->handles[unit][handle]];
}

const struct device *replay_device_numbered(const struct replay *replay, uint32_t number)
{
	return number < replay->n_devices ? replay->devices[number] : NULL;
}

const struct unit *replay_unit(const struct replay *replay, uint32_t number)
{
	return number < replay->n_units ? &replay->units[number] : NULL;
}

uint32_t replay_units(const struct replay *replay)
{
	return replay->n_units;
}

const struct names *replay_names(const struct replay *replay)
{
	return replay->names;
}

const struct imap_entry *replay_owner(const struct replay *replay, pa_t pa)
{
	return imap_at(replay->owners, pa);
}

bool replay_word(const struct replay *replay, pa_t pa, uint64_t *word)
{
	return memory_read(replay->memory, pa, word);
}

bool replay_forced_strict(const struct replay *replay)
{
	return replay->machine->run.policy == POLICY_LINUX_LAZY && replay->n_units && !replay->lazy;
}

bool replay_reads_behind(const struct replay *replay)
{
	return replay->memory->view;
}

bool replay_is_policy_table(const struct replay *replay, pa_t pa)
{
	return replay->n_units && pa >= replay->table_area && pa < replay->next_table;
}

const struct machine *replay_machine(const struct replay *replay)
{
	return replay->machine;
}
