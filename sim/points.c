/* Points behind one world: the contract is in sim/points.h. */
#include "sim/points_private.h"

#include <stdlib.h>
#include <string.h>

/* Own actions are ordered among those of the world by the number that the world's next one has. */
enum { OWN_ORDER_SHIFT = 24 };

/* ---- keeping up with the world ---------------------------------------------------------------- */

/* The point's own actions that come before the world's step at hand: at equal times before what the world scheduled
 * later, and after recorded events (rules R7). */
static int advance(struct replay *point, uint64_t until, uint64_t order_limit, struct err *err)
{
	uint64_t at;

	while (clock_next(&point->clock, &at) &&
	       (at < until ||
		(at == until && point->clock.heap[0].order >> OWN_ORDER_SHIFT < order_limit))) {
		struct action action = clock_take(&point->clock);

		if (replay_act(point, &action, err))
			return -1;
	}
	return 0;
}

/* What a point reads of the world: nothing here is the point's to change or free. */
static void look(struct replay *point, const struct replay *world)
{
	point->names = world->names;
	point->source = world->source;
	point->batch = world->batch;
	point->table_area = world->table_area;
	point->next_table = world->next_table;
	point->domains = world->domains;
	point->n_domains = world->n_domains;
	point->devices = world->devices;
	point->n_devices = world->n_devices;
	point->handles = world->handles;
	point->n_handle_lists = world->n_handle_lists;
	point->agents = world->agents;
	point->plain_handles = world->plain_handles;
	point->n_plain_units = world->n_plain_units;
	point->n_agents = world->n_agents;
	point->agent_domains = world->agent_domains;
	point->n_agent_domains = world->n_agent_domains;
	point->space_domain = world->space_domain;
	point->n_spaces = world->n_spaces;
	point->owners = world->owners;
	point->reverse = world->reverse;
	point->now_ns = world->now_ns;
	point->event = world->event;
	point->seq = world->seq;
	point->unit_at_hand = world->unit_at_hand;
	point->foreign = world->foreign;
	point->lost = world->lost;
	point->lost_ns = world->lost_ns;
	point->event_flags = world->event_flags;
	point->lazy = world->lazy;
	if (point->clock.order >> OWN_ORDER_SHIFT != world->clock.order)
		point->clock.order = world->clock.order << OWN_ORDER_SHIFT;
}

/* The first thing is the one that is told. */
void points_differ(const struct replay *world, const char *what)
{
	if (!world->points->differs)
		world->points->differs = what;
}

/* Own actions of a point are those of its fault handler, which cannot fail but for memory. */
void points_keep_up(struct replay *point, const struct replay *world)
{
	if (!world->points->adopting && advance(point, world->now_ns, world->order_limit, NULL))
		points_differ(world, "memory for the clock of a point");
	look(point, world);
}

/* ---- making them ------------------------------------------------------------------------------------ */

int replay_create_world(const struct machine *machine, struct replay **out, struct err *err)
{
	struct points *points = calloc(1, sizeof *points);

	if (!points)
		return err_no_memory(err, "points");
	points->fan = points_fan;
	if (replay_create(machine, &points->fan, &iommu_observer_silent, out, err)) {
		free(points);
		return -1;
	}
	points->fan.self = *out;
	(*out)->points = points;
	return 0;
}

/* The first setting of the driver, the clock and the handlers that is another; NULL: none is. */
static const char *run_differs(const struct run_config *a, const struct run_config *b)
{
	for (const struct setting *row = run_settings; row->key; row++)
		if (memcmp((const char *)a + row->offset, (const char *)b + row->offset,
			   sizeof(uint64_t)) != 0)
			return row->key;
	return NULL;
}

int replay_add_point(struct replay *world, const struct machine *machine,
		     const struct replay_observer *observer, const struct iommu_observer *caches,
		     struct replay **out, struct err *err)
{
	struct points *points = world->points;
	const char *key = run_differs(&world->machine->run, &machine->run);
	struct replay **items;
	struct replay *point;

	if (machine->model != world->machine->model)
		return err_set(
			err, ERR_CONFIG,
			"points of one world have one IOMMU model; expected '%s', found '%s'",
			world->machine->model->name, machine->model->name);
	if (key || machine->run.flight || observer->before_dma)
		return err_set(
			err, ERR_CONFIG,
			"points of one world have one driver and one clock: %s needs a world "
			"of its own",
			key		      ? key
			: machine->run.flight ? "time.flight"
					      : "--verify");
	items = realloc(points->items, (points->n + 1) * sizeof(struct replay *));
	point = calloc(1, sizeof *point);
	if (items)
		points->items = items;
	if (!items || !point) {
		free(point);
		return err_no_memory(err, "a point");
	}
	point->machine = machine;
	point->observer = observer;
	point->caches = caches;
	point->memory = world->memory;
	point->tables = world->tables;
	memcpy(point->plans, world->plans, sizeof point->plans);
	items[points->n++] = point;
	look(point, world);
	*out = point;
	return 0;
}

void points_destroy(struct replay *world)
{
	struct replay *point;

	EACH_POINT(world, point)
	{
		for (uint32_t i = 0; i < point->n_units; i++)
			point->units[i].iommu->model->destroy(point->units[i].iommu);
		answers_destroy(point);
		free(point->units);
		free(point->clock.heap);
		free(point);
	}
	free(world->points->items);
	free(world->points);
}

/* ---- recorded events ----------------------------------------------------------------------------------- */

/* What feeds back from one point into what the others see. */
static int check_feedback(struct replay *world, struct err *err)
{
	const char *what = world->points->differs;

	if (what)
		return points_say_otherwise(world, what, err);
	if (world->tables->hardware_writes)
		return replay_error(world, ERR_CONFIG, err,
				    "the IOMMU writes accessed or dirty bits into the tables: each "
				    "machine needs a world of its own");
	return 0;
}

int points_event(struct replay *world, const struct event *event, struct err *err)
{
	struct replay *point;

	if (event->kind == EVENT_REQUEST || event->kind == EVENT_RESPOND ||
	    event->kind == EVENT_DIRTY ||
	    (event->kind == EVENT_DEVICE &&
	     (event_has(event, DEVICE_PRI) || event_has(event, DEVICE_STALL))))
		return replay_error(
			world, ERR_CONFIG, err,
			"'%s': page requests, stalls and dirty tracking need a world for each "
			"machine",
			event_kinds[event->kind].word);
	EACH_POINT(world, point)
	{
		/* up to here the event before was at hand */
		if (advance(point, event->time_ns, 0, err))
			return -1;
		look(point, world);
	}
	return check_feedback(world, err);
}

/* How many DMAs go to the unit of the first one before the world's clock has something of its own. Pages that the
 * recording never touched take their first answer as start state: that writes tables, so it is done here. */
static int stretch_of(struct replay *world, const struct event_batch *batch, size_t begin,
		      size_t *n, struct err *err)
{
	size_t end = batch->n - begin < DMA_RUN ? batch->n : begin + DMA_RUN, at = begin;
	uint32_t unit;
	uint64_t limit;

	if (clock_next(&world->clock, &limit))
		while (end > begin + 1 && batch->events[end - 1].time_ns > limit)
			end--;
	if (dmas_unit(world, &batch->events[begin], &unit, err))
		return -1;
	for (; at < end && batch->events[at].kind == EVENT_DMA; at++) {
		const struct event *event = &batch->events[at];

		if (event->agent >= world->n_agents || world->agents[event->agent].unit != unit)
			break;
		/* a run that begins without answers ends where there is one */
		if (dma_answered(event) && !dma_answered(&batch->events[begin]))
			break;
		world->now_ns = event->time_ns;
		world->event = batch->first + at;
		if (dma_answered(event) &&
		    answers_adopt(world, event, &world->agents[event->agent], err))
			return -1;
	}
	*n = at - begin;
	return 0;
}

/* One point's way through the stretch, with the actions of its own fault handler between. */
static int consume(struct replay *point, const struct event_batch *batch, size_t begin, size_t n,
		   struct err *err)
{
	struct event_batch stretch = *batch;
	size_t done;

	stretch.n = begin + n;
	for (size_t at = begin; at < stretch.n; at += done) {
		uint64_t time_ns = batch->events[at].time_ns;

		if (advance(point, time_ns, 0, err))
			return -1;
		point->now_ns = time_ns;
		point->event = batch->first + at;
		if (dmas_run(point, &stretch, at, &done, err))
			return -1;
	}
	return 0;
}

int points_dmas(struct replay *world, const struct event_batch *batch, size_t begin, size_t *done,
		struct err *err)
{
	struct replay *point;
	int failed;

	EACH_POINT(world, point)
	if (advance(point, batch->events[begin].time_ns, 0, err))
		return -1;
	world->points->adopting = true;
	failed = stretch_of(world, batch, begin, done, err);
	world->points->adopting = false;
	if (failed)
		return -1;
	EACH_POINT(world, point)
	{
		look(point, world);
		if (consume(point, batch, begin, *done, err))
			return -1;
	}
	world->count.dma += *done;
	return check_feedback(world, err);
}

/* The world's counters, and of answers the point's own. */
static void count_together(struct replay *point, const struct replay *world)
{
	struct replay_counters own = point->count, *count = &point->count;

	*count = world->count;
	count->answers = own.answers;
	count->agree = own.agree;
	count->differ = own.differ;
	count->undecided = own.undecided;
	count->distinct = own.distinct;
	count->distinct_agree = own.distinct_agree;
	count->moved = own.moved;
	count->moved_agree = own.moved_agree;
	count->n_first_differ = own.n_first_differ;
	memcpy(count->first_differ, own.first_differ, sizeof count->first_differ);
}

int points_finish(struct replay *world, struct err *err)
{
	struct replay *point;

	EACH_POINT(world, point)
	{
		if (advance(point, world->now_ns, 0, err))
			return -1;
		look(point, world);
		if (advance(point, UINT64_MAX, 0, err))
			return -1;
		/* the end is the world's, whatever the point's own handlers still did */
		look(point, world);
		answers_finish(point);
		count_together(point, world);
	}
	return check_feedback(world, err);
}
