/* Table words on their way to memory and to the caches of every unit. */
#include "sim/replay_private.h"

int words_store(struct replay *replay, pa_t pa, unsigned count, uint64_t base, uint64_t step,
		struct err *err)
{
	struct tables *tables = replay->tables;

	if (tables_store(tables, pa, count, base, step, err))
		return -1;
	replay->count.words += count;
	if (replay->observer->words_changed && tables->n_changes)
		replay->observer->words_changed(replay->observer->self, tables->changes,
						tables->n_changes);
	for (uint32_t i = 0; i < replay->n_units && tables->n_changes; i++) {
		struct iommu *iommu = replay->units[i].iommu;

		replay->unit_at_hand = i;
		iommu->model->tables_changed(iommu, replay->event, tables->changes,
					     tables->n_changes);
	}
	return 0;
}

/* Policy-built tables lie where no recorded address is allowed to be, and are never reused. */
pa_t words_new_table(struct replay *replay)
{
	pa_t pa = replay->next_table;

	replay->next_table += 4096;
	replay->count.tables_made++;
	return pa;
}
