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

/* What was written since it was last looked through; all of it once software has read some. */
static void look_through(const struct smmu *smmu, struct smmu_queue *queue, unsigned entry_lg2,
			 unsigned sid_shift)
{
	struct smmu_holders *holders = &queue->holders;
	uint32_t mask = smmu_queue_mask(queue), cons = queue->cons & mask;

	if (holders->from != cons || holders->base != queue->base)
		*holders = (struct smmu_holders){ .base = queue->base, .from = cons, .upto = cons };
	for (; holders->upto != (queue->prod & mask);
	     holders->upto = smmu_queue_next(queue, holders->upto) & mask) {
		uint64_t word;
		uint32_t sid;

		if (!smmu_read(smmu, smmu_queue_at(queue, holders->upto, entry_lg2), &word))
			continue;
		sid = (uint32_t)(word >> sid_shift);
		if (holders->n < 2 && (!holders->n || holders->sids[0] != sid))
			holders->sids[holders->n++] = sid;
	}
}

uint32_t smmu_queue_holder(const struct smmu *smmu, struct smmu_queue *queue, unsigned entry_lg2,
			   unsigned sid_shift, uint32_t device)
{
	const struct smmu_holders *holders = &queue->holders;

	look_through(smmu, queue, entry_lg2, sid_shift);
	for (uint32_t i = 0; i < holders->n; i++)
		if (holders->sids[i] != smmu->devices[device].sid)
			return smmu_device_of(smmu, holders->sids[i]);
	return NO_DEVICE;
}

uint32_t smmu_device_of(const struct smmu *smmu, uint64_t sid)
{
	for (uint32_t device = 0; device < smmu->n_devices; device++)
		if (smmu->devices[device].sid == sid)
			return device;
	return NO_DEVICE;
}
