/* The observer of a world that has points: each step is told to all of them. */
#include "sim/points_private.h"

static void fan_removed(void *self, const struct removal *removal)
{
	struct replay *world = self, *point;

	EACH_POINT(world, point)
	{
		points_keep_up(point, world);
		point->observer->removed(point->observer->self, removal);
	}
}

static void fan_mapped(void *self, const struct domain *domain, iova_t first, iova_t last, pa_t pa,
		       unsigned perm, uint64_t event, uint64_t time_ns)
{
	struct replay *world = self, *point;

	EACH_POINT(world, point)
	{
		points_keep_up(point, world);
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
		points_keep_up(point, world);
		point->observer->unmap_returned(point->observer->self, domain, first, last,
						time_ns);
	}
}

static void fan_inval_issued(void *self, const struct inval_op *op)
{
	struct replay *world = self, *point;

	EACH_POINT(world, point)
	{
		points_keep_up(point, world);
		point->observer->inval_issued(point->observer->self, op);
	}
}

static void fan_inval_done(void *self, const struct inval_op *op)
{
	struct replay *world = self, *point;

	EACH_POINT(world, point)
	{
		points_keep_up(point, world);
		point->observer->inval_done(point->observer->self, op);
	}
}

static void fan_owner_changed(void *self, pa_t first, pa_t last, uint32_t owner,
			      enum owner_state state, uint64_t event, uint64_t time_ns)
{
	struct replay *world = self, *point;

	EACH_POINT(world, point)
	{
		points_keep_up(point, world);
		point->observer->owner_changed(point->observer->self, first, last, owner, state,
					       event, time_ns);
	}
}

static void fan_table_freed(void *self, pa_t pa, uint64_t event, uint64_t time_ns)
{
	struct replay *world = self, *point;

	EACH_POINT(world, point)
	{
		points_keep_up(point, world);
		if (point->observer->table_freed)
			point->observer->table_freed(point->observer->self, pa, event, time_ns);
	}
}

static void fan_lost(void *self, uint64_t event, uint64_t time_ns)
{
	struct replay *world = self, *point;

	EACH_POINT(world, point)
	{
		points_keep_up(point, world);
		point->observer->lost(point->observer->self, event, time_ns);
	}
}

static void fan_rights_exceed(void *self, const struct rights_excess *excess)
{
	struct replay *world = self, *point;

	EACH_POINT(world, point)
	{
		points_keep_up(point, world);
		point->observer->rights_exceed(point->observer->self, excess);
	}
}

static void fan_word_written(void *self, pa_t pa, uint64_t event, uint64_t time_ns)
{
	struct replay *world = self, *point;

	EACH_POINT(world, point)
	{
		points_keep_up(point, world);
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

const struct replay_observer points_fan = {
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
