/* Invalidations: issued, executed, complete (rules R7), recorded or the policy's. */
#include <stdlib.h>
#include <string.h>

#include "sim/points_private.h"

static int more_pending(struct replay *replay, struct err *err)
{
	uint32_t n = replay->n_pending ? replay->n_pending * 2 : 16;
	struct pending_inval *pending = realloc(replay->pending, n * sizeof *pending);

	if (!pending)
		return err_no_memory(err, "invalidations on their way");
	memset(pending + replay->n_pending, 0, (n - replay->n_pending) * sizeof *pending);
	replay->pending = pending;
	replay->n_pending = n;
	return 0;
}

/* That of the lowest number that is free; NULL: no memory. */
static inline struct pending_inval *new_pending(struct replay *replay, uint32_t *number,
						struct err *err)
{
	uint32_t at = replay->spare_pending;
	struct pending_inval *pending;

	while (at < replay->n_pending && replay->pending[at].used)
		at++;
	if (at == replay->n_pending && more_pending(replay, err))
		return NULL;
	pending = &replay->pending[at];
	replay->spare_pending = at + 1;
	if (at >
	    replay->count.queued) /* the lowest free number: so many are under way at the peak */
		replay->count.queued = at;
	pending->used = true;
	*number = at;
	return pending;
}

static inline void give_back(struct replay *replay, struct pending_inval *pending, uint32_t number)
{
	pending->used = false;
	replay->n_atc_pending -= pending->op.scope.what == INVAL_DEVICE_ATC;
	if (number < replay->spare_pending)
		replay->spare_pending = number;
}

struct awaiting *inval_await(struct replay *replay, uint32_t number)
{
	struct pending_inval *pending = &replay->pending[number];

	if (!pending->awaited)
		pending->awaiting = (struct awaiting){ .fq_domain = NAME_NONE };
	pending->awaited = true;
	return &pending->awaiting;
}

/* X: copies in scope vanish. */
static inline __attribute__((always_inline)) void execute(struct replay *replay,
							  struct inval_op *op)
{
	struct iommu *iommu = replay->units[op->unit].iommu;
	struct inval_report report;
	struct err refused;

	op->done_ns = replay->now_ns; /* at the earliest */
	replay->unit_at_hand = op->unit;
	if (op->failed)
		return;
	replay->executing = op;
	op->failed = iommu->model->execute(iommu, replay->event, &op->command, &report, &refused);
	replay->executing = NULL;
	if (!op->failed) /* refused is the hardware's answer, not ours: nothing was invalidated */
		replay->observer->inval_executed(replay->observer->self, op, &report);
	if (replay->points)
		points_execute(replay, op);
}

static int issue_atcs(struct replay *replay, uint32_t after, uint32_t *last, struct err *err);

/* D was waited for. */
static __attribute__((noinline)) int end_wait(struct replay *replay, struct awaiting awaiting,
					      struct err *err)
{
	writer_free_tables(replay, awaiting.free);
	if (awaiting.returns)
		replay->observer->unmap_returned(
			replay->observer->self, replay->domains[awaiting.ret_domain],
			awaiting.ret_first, awaiting.ret_last, replay->now_ns);
	if (awaiting.fq_domain != NAME_NONE)
		return fq_flushed(replay, awaiting.fq_domain, awaiting.fq_count, err);
	return 0;
}

/* D at this instant. What waits for it waits for the device TLBs too, where the policy flushes any. */
static inline __attribute__((always_inline)) int
complete(struct replay *replay, struct pending_inval *pending, uint32_t number, struct err *err)
{
	uint32_t last = NO_INVAL;

	pending->op.done_ns = replay->now_ns;
	replay->unit_at_hand = pending->op.unit;
	replay->observer->inval_done(replay->observer->self, &pending->op);
	if (pending->op.scope.what != INVAL_RANGE)
		setup_flushed(replay, &pending->op);
	if (pending->op.policy) {
		if (issue_atcs(replay, number, &last, err))
			return -1;
		pending = &replay->pending[number]; /* there may be more of them now */
	}
	give_back(replay, pending, number);
	if (!pending->awaited)
		return 0;
	if (last == NO_INVAL)
		return end_wait(replay, pending->awaiting, err);
	*inval_await(replay, last) = pending->awaiting;
	return 0;
}

int inval_complete(struct replay *replay, uint32_t number, struct err *err)
{
	return complete(replay, &replay->pending[number], number, err);
}

/* D, or the wait for DMAs in flight if it drains. */
static inline __attribute__((always_inline)) int
drain(struct replay *replay, struct pending_inval *pending, uint32_t number, struct err *err)
{
	const struct inval_op *op = &pending->op;
	uint64_t landed = replay->units[op->unit].landed_ns;

	if (!op->scope.drain || op->failed || landed <= replay->now_ns)
		return complete(replay, pending, number, err);
	if (clock_schedule(&replay->clock, landed, ACTION_INVAL_DRAINED, number))
		return err_no_memory(err, "the clock");
	return 0;
}

/* Whether a device TLB that was to be flushed before this has not answered yet: the wait descriptor
 * behind both is not through (specification 6.5.2.8). */
static bool behind_device(const struct replay *replay, const struct inval_op *op)
{
	for (uint32_t i = 0; i < replay->n_pending && replay->n_atc_pending; i++) {
		const struct inval_op *before = &replay->pending[i].op;

		if (replay->pending[i].used && !replay->pending[i].has_id && before != op &&
		    before->unit == op->unit && before->seq < op->seq &&
		    before->scope.what == INVAL_DEVICE_ATC)
			return true;
	}
	return false;
}

/* After a device's answer: what waited for it and for no other. */
static int release(struct replay *replay, uint32_t unit, struct err *err)
{
	for (uint32_t i = 0; i < replay->n_pending; i++) {
		struct pending_inval *pending = &replay->pending[i];

		if (!pending->used || !pending->waits || pending->op.unit != unit ||
		    behind_device(replay, &pending->op))
			continue;
		pending->waits = false;
		if (drain(replay, pending, i, err))
			return -1;
	}
	return 0;
}

/* ITE: the device is given up, and every wait descriptor that is pending is aborted (6.5.2.10). */
static int time_out(struct replay *replay, uint32_t number, struct err *err)
{
	struct inval_op *op = &replay->pending[number].op;
	struct iommu *iommu = replay->units[op->unit].iommu;
	uint32_t unit = op->unit;

	op->failed = true;
	replay->count.timed_out++;
	replay->unit_at_hand = unit;
	if (iommu->model->atc_timed_out)
		iommu->model->atc_timed_out(iommu, replay->event, op->scope.device);
	if (replay->points)
		points_atc_timed_out(replay, unit, op->scope.device);
	for (uint32_t i = 0; i < replay->n_pending; i++) {
		struct pending_inval *pending = &replay->pending[i];

		if (!pending->used || !pending->waits || pending->op.unit != unit)
			continue;
		pending->waits = false;
		pending->op.failed = true;
		replay->count.aborted++;
		if (inval_complete(replay, i, err))
			return -1;
	}
	return inval_complete(replay, number, err) ||
			       replay_take_interrupt(replay, unit, replay->now_ns, err)
		       ? -1
		       : 0;
}

/* After X: D is a device TLB's, or stands behind one. */
static __attribute__((noinline)) int executed_among_devices(struct replay *replay, uint32_t number,
							    struct err *err)
{
	struct pending_inval *pending = &replay->pending[number];
	bool device = pending->op.scope.what == INVAL_DEVICE_ATC;
	uint32_t unit = pending->op.unit;

	if (behind_device(replay, &pending->op)) {
		pending->waits = true;
		return 0;
	}
	if (drain(replay, pending, number, err))
		return -1;
	return device ? release(replay, unit, err) : 0;
}

/* X at this instant, and D where nothing has to be waited for. */
int inval_execute(struct replay *replay, uint32_t number, struct err *err)
{
	struct pending_inval *pending = &replay->pending[number];

	if (pending->times_out)
		return time_out(replay, number, err);
	execute(replay, &pending->op);
	if (replay->n_atc_pending)
		return executed_among_devices(replay, number, err);
	return drain(replay, pending, number, err);
}

/* What is issued, on one IOMMU or several. */
struct issue {
	const struct domain *domain;	     /* or NULL */
	const struct invalidation *scope;    /* neutral; NULL: what the command says */
	const struct native_command *native; /* verbatim; NULL: this model's for the scope */
	bool policy;			     /* of the policy; else recorded: */
	bool inferred;			     /* by an event of that class */
	bool has_id;			     /* a recorded `done` with this id completes it */
	uint64_t id;
};

/* The command, and what it covers. What is not said of PASIDs is about those that the domain is attached
 * under. */
static inline __attribute__((always_inline)) void
encode(struct replay *replay, uint32_t unit, const struct issue *issue, struct inval_op *op)
{
	const struct invalidation *scope = issue->scope;
	struct iommu *iommu = replay->units[unit].iommu;
	struct invalidation what;

	if (issue->native) {
		op->command = *issue->native;
		if (!iommu->model->decode(iommu, &op->command, &op->scope))
			op->scope = (struct invalidation){ .what = INVAL_DEVICE_CONFIG };
		return;
	}
	if (issue->domain && issue->domain->pasid != NO_PASID && scope->what == INVAL_RANGE &&
	    scope->pasid == NO_PASID) {
		what = *scope;
		what.pasid = issue->domain->pasid;
		scope = &what;
	}
	if (!iommu->model->encode(iommu, scope, &op->command, &op->scope))
		op->scope = *issue->scope;
	if (replay->points)
		points_encode(replay, unit, scope, &op->command);
}

/* How long a device takes to answer, or until it is given up. */
static uint64_t device_answer(const struct replay *replay, uint32_t unit,
			      struct pending_inval *pending)
{
	const struct run_config *run = &replay->machine->run;
	const struct device *device = replay_device(replay, unit, pending->op.scope.device);
	uint64_t answer = device->config.ats_gone ? UINT64_MAX : device->config.ats_latency;

	pending->times_out = answer >= run->ats_timeout;
	return pending->times_out ? run->ats_timeout : answer;
}

/* One native command on one unit; it is known by *number until D. */
static inline __attribute__((always_inline)) int issue_on(struct replay *replay, uint32_t unit,
							  const struct issue *issue,
							  uint32_t *number, struct err *err)
{
	const struct invalidation *scope = issue->scope;
	uint64_t latency = replay->machine->run.inval_latency;
	struct pending_inval *pending = new_pending(replay, number, err);
	struct inval_op *op;

	if (!pending)
		return -1;
	/* field by field: op.command and op.scope are set below */
	pending->has_id = issue->has_id;
	pending->id = issue->id;
	pending->waits = pending->times_out = pending->awaited = false;
	op = &pending->op;
	op->seq = ++replay->seq;
	op->event = replay->event;
	op->time_ns = op->done_ns = replay->now_ns;
	op->done_event = NO_EVENT;
	op->unit = unit;
	op->domain = issue->domain ? issue->domain->number : NAME_NONE;
	op->policy = issue->policy;
	op->failed = false;
	op->inferred = issue->inferred;
	encode(replay, unit, issue, op);
	op->executes_as = op->scope.what;
	if (scope)
		op->scope.device = scope->device;
	/* what was recorded, not the block or domain that this model's command comes to */
	if (scope && !issue->policy && scope->what == INVAL_RANGE) {
		op->scope.what = INVAL_RANGE;
		op->scope.first = scope->first;
		op->scope.last = scope->last;
	}
	replay->n_atc_pending += op->scope.what == INVAL_DEVICE_ATC;
	replay->observer->inval_issued(replay->observer->self, op);
	if (issue->has_id)
		return 0;
	if (op->scope.what == INVAL_DEVICE_ATC)
		latency += device_answer(replay, unit, pending);
	if (clock_schedule(&replay->clock, replay->now_ns + latency, ACTION_INVAL_EXECUTE, *number))
		return err_no_memory(err, "the clock");
	return 0;
}

static __attribute__((noinline)) int issue_one(struct replay *replay, uint32_t unit,
					       const struct issue *issue, uint32_t *number,
					       struct err *err)
{
	return issue_on(replay, unit, issue, number, err);
}

/*
 * Linux flushes the device TLBs of a domain after its IOTLB (drivers 1, R5): *last is the number of the
 * last of them, or NO_INVAL when there is none behind this IOMMU.
 */
static __attribute__((noinline)) int issue_atcs(struct replay *replay, uint32_t after,
						uint32_t *last, struct err *err)
{
	const struct inval_op *op = &replay->pending[after].op;
	const struct domain *domain = op->domain != NAME_NONE ? replay->domains[op->domain] : NULL;
	struct invalidation scope;
	const struct issue issue = { .domain = domain, .scope = &scope, .policy = true };
	uint32_t unit = op->unit;

	if (!domain || op->scope.what == INVAL_DEVICE_ATC)
		return 0;
	scope = (struct invalidation){ .what = INVAL_DEVICE_ATC,
				       .pasid = NO_PASID,
				       .last = UINT64_MAX };
	if (op->scope.what == INVAL_RANGE) {
		scope.first = op->scope.first;
		scope.last = op->scope.last;
	}
	for (uint32_t i = 0; i < domain->n_atcs; i++) {
		const struct device *device = replay->devices[domain->atc_devices[i]];

		if (device->unit != unit ||
		    device_domain(device, domain->atc_pasids[i]) != domain->number)
			continue;
		scope.device = device->handle;
		scope.pasid = domain->atc_pasids[i];
		if (issue_one(replay, unit, &issue, last, err))
			return -1;
	}
	return 0;
}

void replay_each_pending(const struct replay *replay,
			 void (*visit)(void *ctx, const struct inval_op *op), void *ctx)
{
	for (uint32_t i = 0; i < replay->n_pending; i++)
		if (replay->pending[i].used)
			visit(ctx, &replay->pending[i].op);
}

int inval_issue(struct replay *replay, const struct domain *domain,
		const struct invalidation *scope, uint32_t *number, struct err *err)
{
	const struct issue issue = { .domain = domain, .scope = scope, .policy = true };

	*number = NO_INVAL;
	for (uint32_t unit = 0; unit < replay->n_units; unit++)
		if ((!domain || domain_on(domain, unit)) &&
		    issue_one(replay, unit, &issue, number, err))
			return -1;
	if (*number != NO_INVAL)
		replay->count.flushes++;
	return 0;
}

static bool dropped(struct replay *replay)
{
	if (!replay->policy_invals)
		return false;
	replay->count.dropped_invals++;
	return true;
}

/* Of an invalidation of one device's structures. */
static int device_scope(struct replay *replay, const struct event *event,
			struct invalidation *scope, struct err *err)
{
	uint32_t number = names_agent_of(replay->names, event->agent).device, domain;
	const struct device *device = number < replay->n_devices ? replay->devices[number] : NULL;

	if (!device)
		return replay_error(replay, ERR_INPUT, err, "this device was never declared");
	scope->what = event_has(event, INVAL_ATC) ? INVAL_DEVICE_ATC : INVAL_DEVICE_CONFIG;
	scope->device = device->handle;
	domain = device_domain(device, scope->pasid);
	if (domain != NAME_NONE)
		scope->tag = replay->domains[domain]->tag;
	if (event_has(event, INVAL_SIZE)) {
		scope->first = event->addr;
		scope->last = event->addr + (event_value(replay->batch, event, INVAL_SIZE) - 1);
	}
	return 0;
}

/* What a recorded neutral invalidation asks for, before it is said of what. */
static inline struct invalidation scope_of_all(const struct replay *replay,
					       const struct event *event)
{
	uint32_t pasid = names_agent_of(replay->names, event->agent).pasid;

	return (struct invalidation){ .what = INVAL_ALL,
				      .pasid = pasid != PASID_NONE ? pasid : NO_PASID,
				      .last = UINT64_MAX,
				      .leaf = event_has(event, INVAL_LEAF),
				      .drain = !event_has(event, INVAL_DRAIN) };
}

/* Of a domain: a range of it, or all. */
static inline void scope_in(const struct replay *replay, const struct event *event,
			    const struct domain *domain, struct invalidation *scope)
{
	scope->what = INVAL_DOMAIN;
	scope->tag = domain->tag;
	if (event_has(event, INVAL_SIZE)) {
		scope->what = INVAL_RANGE;
		scope->first = event->addr;
		scope->last = event->addr + (event_value(replay->batch, event, INVAL_SIZE) - 1);
	}
}

static int scope_of(struct replay *replay, const struct event *event, const struct domain **domain,
		    struct invalidation *scope, struct err *err)
{
	*scope = scope_of_all(replay, event);
	*domain = NULL;
	if (event_has(event, INVAL_ATC) || event_has(event, INVAL_CONFIG))
		return device_scope(replay, event, scope, err);
	if (!setup_names_domain(replay, event))
		return 0;
	*domain = setup_domain(replay, event, err);
	if (!*domain)
		return -1;
	scope_in(replay, event, *domain, scope);
	return 0;
}

/* The units that a recorded invalidation goes to: one named, those of its domain, or all. */
static uint32_t units_of(const struct replay *replay, const struct event *event,
			 const struct domain *domain, const struct invalidation *scope)
{
	if (event_has(event, INVAL_IOMMU)) {
		uint64_t number = event_value(replay->batch, event, INVAL_IOMMU);

		for (uint32_t unit = 0; unit < replay->n_units; unit++)
			if (replay->units[unit].number == number || replay->n_units == 1)
				return 1u << unit;
		return 0;
	}
	if (scope->what == INVAL_DEVICE_ATC || scope->what == INVAL_DEVICE_CONFIG) {
		struct agent agent = names_agent_of(replay->names, event->agent);

		return 1u << replay->devices[agent.device]->unit;
	}
	return domain ? domain->units : (uint32_t)low_mask(replay->n_units);
}

/* A device's whole TLB, of which no PASID is named, is also that of its PASIDs: a command of its own. */
static int all_pasids(struct replay *replay, const struct event *event, const struct issue *issue,
		      struct err *err)
{
	struct agent agent = names_agent_of(replay->names, event->agent);
	const struct device *device = replay->devices[agent.device];
	struct invalidation scope = *issue->scope;
	struct issue pasids = *issue;
	uint32_t number;

	scope.pasid = ALL_PASIDS;
	pasids.scope = &scope;
	return device->n_pasids ? issue_one(replay, device->unit, &pasids, &number, err) : 0;
}

/* Any: on one unit or all, of devices, with a recorded completion, beside commands, or one that the policy's own
 * stand for. */
static __attribute__((noinline)) int other_event(struct replay *replay, const struct event *event,
						 struct err *err)
{
	struct issue issue = { .inferred = event_class(event) == CLASS_INFERRED,
			       .has_id = event_has(event, INVAL_ID) };
	struct invalidation scope;
	uint32_t number;

	if (scope_of(replay, event, &issue.domain, &scope, err))
		return -1;
	/* A derived one stands beside the recorded command (same at=), which was used. */
	if (event_class(event) == CLASS_DERIVED && replay->native_commands &&
	    !event_has(event, INVAL_CONFIG))
		return 0;
	if (scope.what != INVAL_DEVICE_CONFIG && dropped(replay))
		return 0;
	issue.scope = &scope;
	if (issue.has_id)
		issue.id = event_value(replay->batch, event, INVAL_ID);
	if (scope.what == INVAL_DEVICE_ATC && scope.pasid == NO_PASID &&
	    all_pasids(replay, event, &issue, err))
		return -1;
	for (uint32_t units = units_of(replay, event, issue.domain, &scope); units;
	     units &= units - 1)
		if (issue_one(replay, (uint32_t)__builtin_ctz(units), &issue, &number, err))
			return -1;
	return 0;
}

/* Fields that make an invalidation other than the usual one, of the domain that it names. */
enum { INVAL_OTHER = 1 << INVAL_IOMMU | 1 << INVAL_ID | 1 << INVAL_ATC | 1 << INVAL_CONFIG };

int inval_event(struct replay *replay, const struct event *event, struct err *err)
{
	struct invalidation scope;
	const struct issue issue = { .domain = setup_known_domain(replay, event),
				     .scope = &scope,
				     .inferred = event_class(event) == CLASS_INFERRED };
	uint32_t number;

	replay->count.invals++;
	if (!issue.domain || (event->present & INVAL_OTHER) || replay->native_commands ||
	    replay->policy_invals)
		return other_event(replay, event, err);
	scope = scope_of_all(replay, event);
	scope_in(replay, event, issue.domain, &scope);
	for (uint32_t units = issue.domain->units; units; units &= units - 1)
		if (issue_on(replay, (uint32_t)__builtin_ctz(units), &issue, &number, err))
			return -1;
	return 0;
}

/* A recorded native command, verbatim, on the kind of IOMMU it was recorded for. */
int inval_command(struct replay *replay, const struct event *event, struct err *err)
{
	struct native_command command = { 0 };
	struct issue issue = { .native = &command,
			       .inferred = event_class(event) == CLASS_INFERRED,
			       .has_id = event_has(event, CMD_ID) };
	uint32_t unit = 0, number;

	if (replay->foreign) /* the neutral invalidations beside it stand for it */
		return 0;
	replay->native_commands = true;
	replay->count.invals++;
	for (unsigned i = 0; i < 4; i++)
		if (event_has(event, CMD_W0 + i))
			command.words[i] = event_value(replay->batch, event, CMD_W0 + i);
	if (event_has(event, CMD_IOMMU))
		for (uint32_t i = 0; i < replay->n_units; i++)
			if (replay->units[i].number == event_value(replay->batch, event, CMD_IOMMU))
				unit = i;
	if (setup_units(replay, err))
		return -1;
	if (pages_command(replay, unit, &command, err))
		return -1;
	if (dropped(replay))
		return 0;
	if (issue.has_id)
		issue.id = event_value(replay->batch, event, CMD_ID);
	return issue_one(replay, unit, &issue, &number, err);
}

/* Recorded completion: every invalidation with that id, on all units. */
int inval_done_event(struct replay *replay, const struct event *event, struct err *err)
{
	uint64_t id = event_value(replay->batch, event, DONE_ID);
	bool failed = event_has(event, DONE_STATUS) &&
		      event_value(replay->batch, event, DONE_STATUS) != 0;

	for (uint32_t i = 0; i < replay->n_pending; i++) {
		struct pending_inval *pending = &replay->pending[i];

		if (!pending->used || !pending->has_id || pending->id != id)
			continue;
		pending->op.failed = failed;
		pending->op.inferred |= event_class(event) == CLASS_INFERRED;
		pending->op.done_event = replay->event;
		execute(replay, &pending->op);
		if (inval_complete(replay, i, err))
			return -1;
	}
	return 0;
}
