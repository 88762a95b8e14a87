/* Table words on their way to memory and to the caches of every unit. */
#include "sim/replay_private.h"

/* Every unit hears what the store that was just made means for its caches. */
static void tell_units(struct replay *replay)
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
}

int words_store_in(struct replay *replay, struct frame *frame, unsigned index, unsigned count,
		   uint64_t base, uint64_t step, struct err *err)
{
	if (tables_store_in(replay->tables, frame, index, count, base, step, err))
		return -1;
	replay->count.words += count;
	if (replay->tables->n_changes)
		tell_units(replay);
	return 0;
}

/* Tables may fill several frames; each frame's words are one update. */
int words_store(struct replay *replay, pa_t pa, unsigned count, uint64_t base, uint64_t step,
		struct err *err)
{
	while (count > 0) {
		struct frame *frame = memory_make(replay->memory, pa);
		unsigned at = (unsigned)bits(pa, FRAME_LG2 - 1, 3);
		unsigned n = count < FRAME_WORDS - at ? count : FRAME_WORDS - at;

		if (!frame)
			return err_no_memory(err, "a table frame");
		if (words_store_in(replay, frame, at, n, base, step, err))
			return -1;
		pa += n * 8ull;
		base += step * n;
		count -= n;
	}
	return 0;
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
