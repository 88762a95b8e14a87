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

/* ---- for a replay ------------------------------------------------------------------------------- */

static bool read_entry(const struct smmu *smmu, uint32_t pointer, uint64_t words[2])
{
	pa_t at = smmu_queue_at(&smmu->priq, pointer, ENTRY_LG2);

	return smmu_read(smmu, at, &words[0]) && smmu_read(smmu, at + 8, &words[1]);
}

static bool reached(const struct smmu *smmu, uint32_t pointer)
{
	return !((pointer ^ smmu->priq.prod) & smmu_queue_mask(&smmu->priq));
}

static enum page_fate smmu_page_request(struct iommu *iommu, uint64_t event,
					const struct page_request *request)
{
	static const enum page_fate fates[] = { [PRI_QUEUED] = PAGE_QUEUED,
						[PRI_DISCARDED] = PAGE_LOST,
						[PRI_AUTO_SUCCESS] = PAGE_AUTO_SUCCESS,
						[PRI_AUTO_FAILURE] = PAGE_AUTO_FAILURE };
	struct smmu *smmu = smmu_of(iommu);
	const struct smmuv3_page_request message = { .device = request->device,
						     .pasid = request->pasid,
						     .iova = request->iova,
						     .group = request->group,
						     .last = request->last,
						     .read = request->read,
						     .write = request->write,
						     .execute = request->execute,
						     .privileged = request->privileged };
	struct page_report report = { .event = event,
				      .request = request,
				      .holder = smmu_queue_holder(smmu, &smmu->priq, ENTRY_LG2, 0,
								  request->device) };
	bool was_empty = smmu_queue_empty(&smmu->priq);
	uint64_t lost = smmu->count.pri_lost;

	smmu->iommu.event = event;
	report.fate = fates[smmuv3_page_request(iommu, &message)];
	report.lost = smmu->count.pri_lost != lost;
	smmu->iommu.page_interrupt |= was_empty && report.fate == PAGE_QUEUED;
	smmu->observer->page_requested(smmu->observer->self, &report);
	return report.fate;
}

static size_t smmu_page_queue_read(struct iommu *iommu, uint64_t event,
				   struct page_request *requests, size_t max)
{
	struct smmu *smmu = smmu_of(iommu);
	uint64_t words[2];
	size_t n = 0;

	smmu->iommu.event = event;
	for (uint32_t at = smmu->priq.cons; !reached(smmu, at) && n < max;
	     at = smmu_queue_next(&smmu->priq, at)) {
		if (!read_entry(smmu, at, words))
			continue;
		requests[n++] = (struct page_request){
			.iova = words[1] & ~0xfffull,
			.device = smmu_device_of(smmu, bits(words[0], 31, 0)),
			.pasid = bit(words[0], PRI_SSV) ? (uint32_t)bits(words[0], 51, 32)
							: NO_PASID,
			.group = (uint16_t)bits(words[1], 8, 0),
			.last = bit(words[0], PRI_LAST),
			.read = bit(words[0], PRI_READ),
			.write = bit(words[0], PRI_WRITE),
			.execute = bit(words[0], PRI_EXECUTE),
			.privileged = bit(words[0], PRI_PRIVILEGED),
		};
	}
	return n;
}

/* CONS; with the queue empty the overflow is acknowledged too. */
static bool smmu_page_queue_done(struct iommu *iommu, uint64_t event, size_t n)
{
	struct smmu *smmu = smmu_of(iommu);

	smmu->iommu.event = event;
	for (size_t i = 0; i < n; i++)
		smmu->priq.cons = smmu_queue_next(&smmu->priq, smmu->priq.cons);
	if (!smmu_queue_overflow(&smmu->priq) || !smmu_queue_empty(&smmu->priq))
		return false;
	smmu->priq.cons ^= 1u << 31;
	smmu->observer->pages_acknowledged(smmu->observer->self);
	return true;
}

/* Resp of CMD_PRI_RESP: 0 failure, 1 invalid request, 2 success. */
static void smmu_encode_response(const struct iommu *iommu, const struct page_response *response,
				 struct native_command *native)
{
	static const uint64_t codes[] = {
		[PAGE_SUCCESS] = 2, [PAGE_INVALID] = 1, [PAGE_FAILURE] = 0
	};
	const struct smmu *smmu = (const struct smmu *)iommu;
	const struct smmuv3_command command = {
		.opcode = CMD_PRI_RESP,
		.sid = smmu->devices[response->device].sid,
		.ssid = response->pasid == NO_PASID ? 0 : response->pasid,
		.ssv = response->pasid != NO_PASID,
		.group = response->group,
		.response = codes[response->code],
	};

	smmuv3_pack(&command, native);
}

static bool smmu_decode_response(const struct iommu *iommu, const struct native_command *native,
				 struct page_response *response)
{
	static const enum page_code codes[] = { PAGE_FAILURE, PAGE_INVALID, PAGE_SUCCESS,
						PAGE_FAILURE };
	struct smmuv3_command command;

	if (!smmuv3_unpack(native, &command) || command.opcode != CMD_PRI_RESP)
		return false;
	*response = (struct page_response){
		.device = smmu_device_of((const struct smmu *)iommu, command.sid),
		.pasid = command.ssv ? (uint32_t)command.ssid : NO_PASID,
		.group = (uint16_t)command.group,
		.code = codes[command.response & 3],
	};
	return response->device != NO_DEVICE;
}

const struct page_queue_ops smmu_pages = { .request = smmu_page_request,
					   .read = smmu_page_queue_read,
					   .done = smmu_page_queue_done,
					   .encode = smmu_encode_response,
					   .decode = smmu_decode_response };
