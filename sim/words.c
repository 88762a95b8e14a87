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

int words_store(struct replay *replay, pa_t pa, unsigned count, uint64_t base, uint64_t step,
		struct err *err)
{
	struct frame *frame = memory_make(replay->memory, pa);

	if (!frame)
		return err_no_memory(err, "a table frame");
	return words_store_in(replay, frame, (unsigned)bits(pa, FRAME_LG2 - 1, 3), count, base,
			      step, err);
}

/* Policy-built tables lie where no recorded address is allowed to be, and are never reused. */
pa_t words_new_table(struct replay *replay)
{
	pa_t pa = replay->next_table;

	replay->next_table += 4096;
	replay->count.tables_made++;
	return pa;
}
