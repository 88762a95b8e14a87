/* Circular queues in memory: IHI 0070 3.5. */
#include "hw/smmuv3/smmuv3_private.h"

pa_t smmu_queue_at(const struct smmu_queue *queue, uint32_t pointer, unsigned entry_lg2)
{
	unsigned aligned = queue->log2 + entry_lg2 > 5u ? queue->log2 + entry_lg2 : 5u;

	return (bits_at(queue->base, 55, 5) & ~low_mask(aligned)) +
	       ((pointer & low_mask(queue->log2)) << entry_lg2);
}

/* The entry first, then PROD. False: external abort. */
bool smmu_queue_put(struct smmu *smmu, struct smmu_queue *queue, const uint64_t *words,
		    unsigned entry_lg2)
{
	pa_t at = smmu_queue_at(queue, queue->prod, entry_lg2);
	uint64_t old;

	for (unsigned i = 0; i < 1u << (entry_lg2 - 3); i++)
		if (!smmu_read(smmu, at + i * 8ull, &old) ||
		    tables_store(smmu->tables, at + i * 8ull, 1, words[i], 0, NULL))
			return false;
	queue->prod = smmu_queue_next(queue, queue->prod);
	return true;
}
