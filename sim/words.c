/* Table words on their way to memory and to the caches of every unit. */
#include "sim/replay_private.h"

static int store(struct replay *replay, pa_t pa, unsigned count, uint64_t base, uint64_t step,
		 struct err *err)
{
	struct tables *tables = replay->tables;

	if (tables_store(tables, pa, count, base, step, err))
		return -1;
	replay->count.words += count;
	for (uint32_t i = 0; i < replay->n_units && tables->n_changes; i++) {
		struct iommu *iommu = replay->units[i].iommu;

		replay->unit_at_hand = i;
		iommu->model->tables_changed(iommu, replay->event, tables->changes,
					     tables->n_changes);
	}
	return 0;
}

/* Words that stay in a CPU's cache until their line is written back. */
static int hold(struct replay *replay, pa_t pa, unsigned count, uint64_t base, uint64_t step,
		struct err *err)
{
	if (replay->memory->view &&
	    memory_view_hold(replay->memory, pa, count, base, step, replay->event))
		return err_no_memory(err, "the memory view");
	return 0;
}

int words_store(struct replay *replay, pa_t pa, unsigned count, uint64_t base, uint64_t step,
		struct err *err)
{
	uint64_t write_back = replay->machine->run.write_back;
	bool kept = write_back == WRITE_BACK_NO ||
		    (write_back == WRITE_BACK_NOT_SPLITS && replay->splitting);

	if (kept && hold(replay, pa, count, base, step, err))
		return -1;
	if (store(replay, pa, count, base, step, err))
		return -1;
	if (!kept && replay->memory->view)
		memory_view_write_back(replay->memory, pa, pa + count * 8ull - 1);
	return 0;
}

int words_recorded(struct replay *replay, pa_t pa, uint64_t value, struct err *err)
{
	return hold(replay, pa, 1, value, 0, err) || store(replay, pa, 1, value, 0, err) ? -1 : 0;
}

void words_line(struct replay *replay, const struct event *event)
{
	uint64_t last = event->addr + (event->len ? event->len - 1 : 0);
	bool reaches = event->kind == EVENT_CACHE ? event_verb(event) != CACHE_VERB_INVALIDATE
						  : event_verb(event) == LINE_VERB_EVICT;

	if (reaches && replay->memory->view)
		memory_view_write_back(replay->memory, event->addr, last);
}

/* Policy-built tables lie where no recorded address is allowed to be, and are never reused. */
pa_t words_new_table(struct replay *replay)
{
	pa_t pa = replay->next_table;

	replay->next_table += 4096;
	replay->count.tables_made++;
	return pa;
}
