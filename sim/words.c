/* Table words on their way to memory and to the caches of every unit. */
#include "sim/points_private.h"

void words_tell_units(struct replay *replay)
{
	const struct tables *tables = replay->tables;

	if (replay->observer->words_changed)
		replay->observer->words_changed(replay->observer->self, tables->changes,
						tables->n_changes);
	for (uint32_t i = 0; i < replay->n_units; i++) {
		struct iommu *iommu = replay->units[i].iommu;

		replay->unit_at_hand = i;
		iommu->model->tables_changed(iommu, replay->event, tables->changes,
					     tables->n_changes);
	}
	if (replay->points)
		points_tables_changed(replay);
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

/* Where some unit does not snoop: the driver's words are written back at once, or stay behind. */
int words_store_and_flush(struct replay *replay, struct frame *frame, unsigned index,
			  unsigned count, uint64_t base, uint64_t step, struct err *err)
{
	uint64_t write_back = replay->machine->run.write_back;
	bool kept = write_back == WRITE_BACK_NO ||
		    (write_back == WRITE_BACK_NOT_SPLITS && replay->splitting);
	pa_t pa = frame->pa + index * 8ull;

	if ((kept && hold(replay, pa, count, base, step, err)) ||
	    words_put(replay, frame, index, count, base, step, err))
		return -1;
	if (!kept)
		memory_view_write_back(replay->memory, pa, pa + count * 8ull - 1);
	return 0;
}

static struct frame *frame_of(struct replay *replay, pa_t pa, struct err *err)
{
	struct frame *frame = memory_make(replay->memory, pa);

	if (!frame)
		err_no_memory(err, "a table frame");
	return frame;
}

/* Tables may fill several frames; each frame's words are one update. */
int words_store(struct replay *replay, pa_t pa, unsigned count, uint64_t base, uint64_t step,
		struct err *err)
{
	while (count > 0) {
		struct frame *frame = frame_of(replay, pa, err);
		unsigned at = (unsigned)bits(pa, FRAME_LG2 - 1, 3);
		unsigned n = count < FRAME_WORDS - at ? count : FRAME_WORDS - at;

		if (!frame || words_store_in(replay, frame, at, n, base, step, err))
			return -1;
		pa += n * 8ull;
		base += step * n;
		count -= n;
	}
	return 0;
}

int words_recorded(struct replay *replay, pa_t pa, uint64_t value, struct err *err)
{
	struct frame *frame = frame_of(replay, pa, err);

	if (!frame || hold(replay, pa, 1, value, 0, err))
		return -1;
	return words_put(replay, frame, (unsigned)bits(pa, FRAME_LG2 - 1, 3), 1, value, 0, err);
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
	const struct iommu *iommu = replay->units[0].iommu;
	pa_t bytes = 1ull << iommu->model->format(iommu)->granule_lg2;
	pa_t pa = (replay->next_table + bytes - 1) & ~(bytes - 1);

	replay->next_table = pa + bytes;
	replay->count.tables_made++;
	return pa;
}
