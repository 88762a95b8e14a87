/* Table words on their way to memory and to the caches of every unit. */
#include "sim/replay_private.h"

enum { FRAME_BYTES = 4096 };

static int store_in_frame(struct replay *replay, pa_t pa, unsigned count, uint64_t base,
			  uint64_t step, struct err *err)
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

/* Tables may fill several frames; each frame's words are one update. */
int words_store(struct replay *replay, pa_t pa, unsigned count, uint64_t base, uint64_t step,
		struct err *err)
{
	while (count > 0) {
		unsigned room = (FRAME_BYTES - (unsigned)(pa & (FRAME_BYTES - 1))) / 8;
		unsigned n = count < room ? count : room;

		if (store_in_frame(replay, pa, n, base, step, err))
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
