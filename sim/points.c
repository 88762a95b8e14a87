/* Points behind one world: the contract is in sim/points.h. */
#include "sim/points_private.h"

#include <stdlib.h>
#include <string.h>

/* Own actions are ordered among those of the world by the number that the world's next one has. */
enum { OWN_ORDER_SHIFT = 24 };

struct points {
	struct replay_observer fan; /* the world's observer */
	struct replay **items;
	uint32_t n;
	const char *differs; /* what a point's driver or hardware does otherwise; NULL: nothing */
	bool adopting;	     /* start state is found for DMAs that no point has come to yet */
};

#define EACH_POINT(world, point)                                                                   \
	for (uint32_t i_ = 0;                                                                      \
	     i_ < (world)->points->n && ((point) = (world)->points->items[i_], true); i_++)

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
	point->event_moved = world->event_moved;
	point->lazy = world->lazy;
	if (point->clock.order >> OWN_ORDER_SHIFT != world->clock.order)
		point->clock.order = world->clock.order << OWN_ORDER_SHIFT;
}

/* The first thing is the one that is told. */
static void differ(const struct replay *world, const char *what)
{
	if (!world->points->differs)
		world->points->differs = what;
}

/* Own actions of a point are those of its fault handler, which cannot fail but for memory. */
static void keep_up(struct replay *point, const struct replay *world)
{
	if (!world->points->adopting && advance(point, world->now_ns, world->order_limit, NULL))
		differ(world, "memory for the clock of a point");
	look(point, world);
}

/* ---- the world's observer ------------------------------------------------------------------------ */

static void fan_removed(void *self, const struct removal *removal)
{
	struct replay *world = self, *point;

	EACH_POINT(world, point)
	{
		keep_up(point, world);
		point->observer->removed(point->observer->self, removal);
	}
}

static void fan_mapped(void *self, const struct domain *domain, iova_t first, iova_t last, pa_t pa,
		       unsigned perm, uint64_t event, uint64_t time_ns)
{
	struct replay *world = self, *point;

	EACH_POINT(world, point)
	{
		keep_up(point, world);
		point->observer->mapped(point->observer->self, domain, first, last, pa, perm, event,
					time_ns);
	}
}

static void fan_unmap_returned(void *self, const struct domain *domain, iova_t first, iova_t last,
			       uint64_t time_ns)
{
	struct replay *world = self, *point;

	EACH_POINT(world, point)
	{
		keep_up(point, world);
		point->observer->unmap_returned(point->observer->self, domain, first, last,
						time_ns);
	}
}

static void fan_inval_issued(void *self, const struct inval_op *op)
{
	struct replay *world = self, *point;

	EACH_POINT(world, point)
	{
		keep_up(point, world);
		point->observer->inval_issued(point->observer->self, op);
	}
}

static void fan_inval_done(void *self, const struct inval_op *op)
{
	struct replay *world = self, *point;

	EACH_POINT(world, point)
	{
		keep_up(point, world);
		point->observer->inval_done(point->observer->self, op);
	}
}

static void fan_owner_changed(void *self, pa_t first, pa_t last, uint32_t owner,
			      enum owner_state state, uint64_t event, uint64_t time_ns)
{
	struct replay *world = self, *point;

	EACH_POINT(world, point)
	{
		keep_up(point, world);
		point->observer->owner_changed(point->observer->self, first, last, owner, state,
					       event, time_ns);
	}
}

static void fan_table_freed(void *self, pa_t pa, uint64_t event, uint64_t time_ns)
{
	struct replay *world = self, *point;

	EACH_POINT(world, point)
	{
		keep_up(point, world);
		if (point->observer->table_freed)
			point->observer->table_freed(point->observer->self, pa, event, time_ns);
	}
}

static void fan_lost(void *self, uint64_t event, uint64_t time_ns)
{
	struct replay *world = self, *point;

	EACH_POINT(world, point)
	{
		keep_up(point, world);
		point->observer->lost(point->observer->self, event, time_ns);
	}
}

static void fan_rights_exceed(void *self, const struct rights_excess *excess)
{
	struct replay *world = self, *point;

	EACH_POINT(world, point)
	{
		keep_up(point, world);
		point->observer->rights_exceed(point->observer->self, excess);
	}
}

static void fan_word_written(void *self, pa_t pa, uint64_t event, uint64_t time_ns)
{
	struct replay *world = self, *point;

	EACH_POINT(world, point)
	{
		keep_up(point, world);
		if (point->observer->word_written)
			point->observer->word_written(point->observer->self, pa, event, time_ns);
	}
}

/* The world's own IOMMUs hold nothing and answer nobody: what they do is no news. */
static void no_execution(void *self, const struct inval_op *op, const struct inval_report *report)
{
	(void)self;
	(void)op;
	(void)report;
}

static void no_result(void *self, uint64_t event, const struct dma_request *request,
		      const struct dma_result *result, uint32_t device)
{
	(void)self;
	(void)event;
	(void)request;
	(void)result;
	(void)device;
}

static void no_handler(void *self, uint32_t unit, uint64_t time_ns)
{
	(void)self;
	(void)unit;
	(void)time_ns;
}

/* ---- making them ------------------------------------------------------------------------------------ */

int replay_create_world(const struct machine *machine, struct replay **out, struct err *err)
{
	struct points *points = calloc(1, sizeof *points);

	if (!points)
		return err_no_memory(err, "points");
	points->fan = (struct replay_observer){
		.removed = fan_removed,
		.mapped = fan_mapped,
		.unmap_returned = fan_unmap_returned,
		.inval_issued = fan_inval_issued,
		.inval_executed = no_execution,
		.inval_done = fan_inval_done,
		.owner_changed = fan_owner_changed,
		.table_freed = fan_table_freed,
		.dma_done = no_result,
		.handler_ran = no_handler,
		.lost = fan_lost,
		.rights_exceed = fan_rights_exceed,
		.word_written = fan_word_written,
	};
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

/* ---- one driver for all ---------------------------------------------------------------------------- */

/* What a driver finds out about its IOMMU before it writes tables; NULL: the same of both. */
static const char *capability_differs(const struct iommu *a, const struct iommu *b)
{
	const struct iommu_model *model = a->model;

	if (model->format(a) != model->format(b) || model->levels(a) != model->levels(b))
		return "tables";
	for (unsigned level = 0; level < PT_LEVELS; level++)
		if (model->page_supported(a, level) != model->page_supported(b, level))
			return "page sizes";
	if (model->address_bits(a, model->levels(a)) != model->address_bits(b, model->levels(b)) ||
	    model->pa_bits(a) != model->pa_bits(b))
		return "address widths";
	if (model->tags(a) != model->tags(b) || model->tag_kind(a) != model->tag_kind(b))
		return "domain tags";
	if (model->snoops(a) != model->snoops(b))
		return "coherency of table walks";
	if (model->caching_mode && model->caching_mode(a) != model->caching_mode(b))
		return "caching mode";
	if (model->config_bytes(a) != model->config_bytes(b))
		return "configuration tables";
	return NULL;
}

static int says_otherwise(struct replay *world, const char *what, struct err *err)
{
	return replay_error(world, ERR_CONFIG, err,
			    "points of one world have one driver: another machine's differs in its "
			    "%s and needs a world of its own",
			    what);
}

static int add_unit(struct replay *point, const struct replay *world, pa_t root, struct err *err)
{
	const struct iommu_model *model = point->machine->model;
	struct unit *units = realloc(point->units, (point->n_units + 1) * sizeof *units);
	struct iommu *iommu;

	if (!units)
		return err_no_memory(err, "IOMMUs");
	point->units = units;
	if (model->create(point->machine->model_config, point->machine->run.seed + point->n_units,
			  point->tables, point->caches, &iommu, err))
		return -1;
	units[point->n_units] =
		(struct unit){ .number = world->units[point->n_units].number, .iommu = iommu };
	point->n_units++;
	if (!model->start)
		return 0;
	if (model->expect)
		model->expect(iommu, world->expects_pasids, world->expects_pages);
	return model->start(iommu, root) ? err_no_memory(err, "an IOMMU's root table") : 0;
}

int points_add_unit(struct replay *world, pa_t root, struct err *err)
{
	const struct iommu *own = world->units[world->n_units - 1].iommu;
	struct replay *point;

	EACH_POINT(world, point)
	{
		const char *differs;

		keep_up(point, world);
		if (add_unit(point, world, root, err))
			return -1;
		differs = capability_differs(own, point->units[point->n_units - 1].iommu);
		if (differs)
			return says_otherwise(world, differs, err);
	}
	return 0;
}

int points_add_device(struct replay *world, const struct device *device, struct err *err)
{
	struct replay *point;
	uint32_t handle;

	EACH_POINT(world, point)
	{
		struct iommu *iommu = point->units[device->unit].iommu;

		keep_up(point, world);
		if (iommu->model->add_device(iommu, device->requester_id, device->ats, &handle,
					     err))
			return -1;
		if (handle != device->handle)
			return says_otherwise(world, "devices", err);
	}
	return 0;
}

int points_attach(struct replay *world, uint32_t unit, const struct attachment *attachment,
		  const struct table_word *words, size_t n, struct err *err)
{
	struct replay *point;

	EACH_POINT(world, point)
	{
		struct iommu *iommu = point->units[unit].iommu;
		struct attachment same = *attachment;
		struct table_word others[ATTACH_WORDS];

		keep_up(point, world);
		if (iommu->model->attach_words(iommu, &same, others) != n)
			return says_otherwise(world, "attachments", err);
		for (size_t i = 0; i < n; i++)
			if (others[i].pa != words[i].pa || others[i].value != words[i].value)
				return says_otherwise(world, "attachments", err);
	}
	return 0;
}

void points_encode(struct replay *world, uint32_t unit, const struct invalidation *what,
		   const struct native_command *command)
{
	struct replay *point;

	EACH_POINT(world, point)
	{
		const struct iommu *iommu = point->units[unit].iommu;
		struct native_command other;

		iommu->model->encode(iommu, what, &other);
		if (memcmp(&other, command, sizeof other) != 0)
			differ(world, "invalidation commands");
	}
}

/* ---- what the world tells the IOMMUs ----------------------------------------------------------------- */

void points_tables_changed(struct replay *world)
{
	const struct tables *tables = world->tables;
	struct replay *point;

	EACH_POINT(world, point)
	{
		keep_up(point, world);
		if (point->observer->words_changed)
			point->observer->words_changed(point->observer->self, tables->changes,
						       tables->n_changes);
		for (uint32_t i = 0; i < point->n_units; i++) {
			struct iommu *iommu = point->units[i].iommu;

			point->unit_at_hand = i;
			iommu->model->tables_changed(iommu, point->event, tables->changes,
						     tables->n_changes);
		}
	}
}

void points_execute(struct replay *world, const struct inval_op *op)
{
	struct replay *point;

	EACH_POINT(world, point)
	{
		struct iommu *iommu = point->units[op->unit].iommu;
		struct inval_report report;
		struct err refused;
		bool failed;

		keep_up(point, world);
		point->executing = op;
		failed = iommu->model->execute(iommu, point->event, &op->command, &report,
					       &refused) != 0;
		point->executing = NULL;
		if (failed != op->failed)
			differ(world, "invalidations");
		if (!failed)
			point->observer->inval_executed(point->observer->self, op, &report);
	}
}

int points_drop_config(struct replay *world, uint32_t unit, const struct native_command *command,
		       struct err *err)
{
	struct replay *point;

	EACH_POINT(world, point)
	{
		struct iommu *iommu = point->units[unit].iommu;
		struct inval_report report;

		keep_up(point, world);
		if (iommu->model->execute(iommu, point->event, command, &report, err))
			return -1;
	}
	return 0;
}

void points_atc_timed_out(struct replay *world, uint32_t unit, uint32_t device)
{
	struct replay *point;

	EACH_POINT(world, point)
	{
		struct iommu *iommu = point->units[unit].iommu;

		keep_up(point, world);
		if (iommu->model->atc_timed_out)
			iommu->model->atc_timed_out(iommu, point->event, device);
	}
}

int points_reg_write(struct replay *world, uint32_t unit, uint64_t offset, uint64_t value,
		     unsigned size, struct err *err)
{
	struct replay *point;

	EACH_POINT(world, point)
	{
		struct iommu *iommu = point->units[unit].iommu;

		keep_up(point, world);
		iommu->model->reg_write(iommu, point->event, offset, value, size);
		if (replay_take_interrupt(point, unit, point->now_ns, err))
			return -1;
	}
	return 0;
}

void points_answers_touched(struct replay *world, const struct domain *domain, iova_t first,
			    iova_t last)
{
	struct replay *point;

	EACH_POINT(world, point)
	{
		keep_up(point, world);
		answers_touched(point, domain, first, last);
	}
}

/* ---- recorded events ----------------------------------------------------------------------------------- */

/* What feeds back from one point into what the others see. */
static int check_feedback(struct replay *world, struct err *err)
{
	const char *what = world->points->differs;

	if (what)
		return says_otherwise(world, what, err);
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
	    (event->kind == EVENT_DEVICE && event_has(event, DEVICE_PRI)))
		return replay_error(world, ERR_CONFIG, err,
				    "'%s': page requests and dirty tracking need a world for each "
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
	uint32_t first = batch->events[begin].agent, unit;
	uint64_t limit;

	if (clock_next(&world->clock, &limit))
		while (end > begin + 1 && batch->events[end - 1].time_ns > limit)
			end--;
	if ((first >= world->n_agents || world->agents[first].unit == UNIT_UNKNOWN) &&
	    setup_agent(world, first, err))
		return -1;
	unit = world->agents[first].unit;
	for (; at < end && batch->events[at].kind == EVENT_DMA; at++) {
		const struct event *event = &batch->events[at];

		if (event->agent >= world->n_agents || world->agents[event->agent].unit != unit)
			break;
		world->now_ns = event->time_ns;
		world->event = batch->first + at;
		if ((event_has(event, DMA_PA) || event_has(event, DMA_FAULT)) &&
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
		answers_finish(point);
		count_together(point, world);
	}
	return check_feedback(world, err);
}
