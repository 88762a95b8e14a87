/* The PRI queue: IHI 0070 chapter 8. */
#include "hw/smmuv3/smmuv3_private.h"

enum { CR0_PRIQEN = 1, GERROR_PRIQ_ABT = 3, ENTRY_LG2 = 4 };
enum { PRI_PRIVILEGED = 58, PRI_EXECUTE, PRI_READ, PRI_WRITE, PRI_LAST, PRI_SSV };

/* Answer to a request that is lost while the queue overflows (8.1). */
static enum smmuv3_page_answer lost(struct smmu *smmu, const struct smmuv3_page_request *request)
{
	struct dma_request access = { .device = request->device, .pasid = request->pasid };
	struct smmu_context context = { 0 };
	struct smmu_fault fault;
	struct dma_result result;
	struct smmu_ste ste;

	smmu->count.pri_lost++;
	if (!request->last)
		return PRI_DISCARDED;
	if (request->pasid == NO_PASID || smmu->config.pps)
		return PRI_AUTO_SUCCESS;
	smmu_ste_read(smmu, smmu->devices[request->device].sid, true, &ste);
	if (!ste.fault.event)
		return PRI_AUTO_SUCCESS;
	fault = ste.fault;
	if (bit(smmu->cr2, 3))
		smmu_event(smmu, &access, &context, &fault, &result);
	return PRI_AUTO_FAILURE;
}

enum smmuv3_page_answer smmuv3_page_request(struct iommu *iommu,
					    const struct smmuv3_page_request *request)
{
	struct smmu *smmu = smmu_of(iommu);
	bool substream = request->pasid != NO_PASID;
	bool stop = request->last && !request->read && !request->write && substream;
	uint64_t entry[2] = { smmu->devices[request->device].sid |
				      (uint64_t)request->privileged << PRI_PRIVILEGED |
				      (uint64_t)request->execute << PRI_EXECUTE |
				      (uint64_t)request->read << PRI_READ |
				      (uint64_t)request->write << PRI_WRITE |
				      (uint64_t)request->last << PRI_LAST,
			      (request->iova & ~0xfffull) | (request->group & 0x1ffu) };

	if (substream)
		entry[0] |= (uint64_t)request->pasid << 32 | 1ull << PRI_SSV;
	if (!smmu->enabled || !bit(smmu->cr0, CR0_PRIQEN) ||
	    bit(smmu->gerror ^ smmu->gerrorn, GERROR_PRIQ_ABT))
		return PRI_AUTO_FAILURE;
	if (smmu_queue_full(&smmu->priq) && !smmu_queue_overflow(&smmu->priq))
		smmu->priq.prod ^= 1u << 31;
	if (smmu_queue_overflow(&smmu->priq)) /* nothing is written until it is acknowledged */
		return stop ? PRI_DISCARDED : lost(smmu, request);
	if (!smmu_queue_put(smmu, &smmu->priq, entry, ENTRY_LG2)) {
		smmu_gerror(smmu, GERROR_PRIQ_ABT);
		return PRI_AUTO_FAILURE;
	}
	smmu->count.pri_queued++;
	return PRI_QUEUED;
}
