/* The IOMMUs of points: built as one driver builds them, and told what the world does to its own. */
#include "sim/points_private.h"

#include <stdlib.h>
#include <string.h>

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

int points_say_otherwise(struct replay *world, const char *what, struct err *err)
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
	if (iommu_create(model, point->machine->model_config,
			 point->machine->run.seed + point->n_units, point->tables, point->caches,
			 &iommu, err))
		return -1;
	units[point->n_units] =
		(struct unit){ .number = world->units[point->n_units].number, .iommu = iommu };
	point->n_units++;
	if (!model->start)
		return 0;
	if (model->expect)
		model->expect(iommu, &world->use);
	return model->start(iommu, root) ? err_no_memory(err, "an IOMMU's root table") : 0;
}

int points_add_unit(struct replay *world, pa_t root, struct err *err)
{
	const struct iommu *own = world->units[world->n_units - 1].iommu;
	struct replay *point;

	EACH_POINT(world, point)
	{
		const char *differs;

		points_keep_up(point, world);
		if (add_unit(point, world, root, err))
			return -1;
		differs = capability_differs(own, point->units[point->n_units - 1].iommu);
		if (differs)
			return points_say_otherwise(world, differs, err);
	}
	return 0;
}

/* All but the geometry of its device TLB, which is the point's own. */
static bool times_differ(const struct device_config *a, const struct device_config *b)
{
	return a->ats_latency != b->ats_latency || a->ats_gone != b->ats_gone ||
	       a->pri_credits != b->pri_credits || a->max_outstanding != b->max_outstanding;
}

int points_add_device(struct replay *world, const struct device *device, struct err *err)
{
	struct replay *point;
	uint32_t handle;

	EACH_POINT(world, point)
	{
		struct iommu *iommu = point->units[device->unit].iommu;
		struct device_config own = machine_device(point->machine, device->requester_id);

		points_keep_up(point, world);
		if (times_differ(&device->config, &own))
			return points_say_otherwise(world, "latencies and credits of devices", err);
		if (iommu->model->add_device(iommu, device->requester_id,
					     device->ats ? &own.tlb : NULL, &handle, err))
			return -1;
		if (handle != device->handle)
			return points_say_otherwise(world, "devices", err);
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

		points_keep_up(point, world);
		if (iommu->model->attach_words(iommu, &same, others) != n)
			return points_say_otherwise(world, "attachments", err);
		for (size_t i = 0; i < n; i++)
			if (others[i].pa != words[i].pa || others[i].value != words[i].value)
				return points_say_otherwise(world, "attachments", err);
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
		struct invalidation covers;

		iommu->model->encode(iommu, what, &other, &covers);
		if (memcmp(&other, command, sizeof other) != 0)
			points_differ(world, "invalidation commands");
	}
}

/* ---- what the world tells the IOMMUs ----------------------------------------------------------------- */

void points_tables_changed(struct replay *world)
{
	const struct tables *tables = world->tables;
	struct replay *point;

	EACH_POINT(world, point)
	{
		points_keep_up(point, world);
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

		points_keep_up(point, world);
		point->executing = op;
		failed = iommu->model->execute(iommu, point->event, &op->command, &report,
					       &refused) != 0;
		point->executing = NULL;
		if (failed != op->failed)
			points_differ(world, "invalidations");
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

		points_keep_up(point, world);
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

		points_keep_up(point, world);
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

		points_keep_up(point, world);
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
		points_keep_up(point, world);
		answers_touched(point, domain, first, last);
	}
}
