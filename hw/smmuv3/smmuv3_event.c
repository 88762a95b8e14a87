/* Event records (7.3) and the event queue (3.5, 7.2, 7.4). */
#include <string.h>

#include "hw/smmuv3/smmuv3_private.h"

enum {
	EVENT_LG2 = 5,
	PNU = 97 - 64,
	IND = 98 - 64,
	RNW = 99 - 64,
	S2 = 103 - 64,
	CLASS = 104 - 64
};
enum { TTRNW = 108 - 64, SSV = 11 };
enum { GERROR_EVENTQ_ABT = 2 };

static bool by_fault_model(uint16_t event)
{
	return event >= F_TRANSLATION && event <= F_PERMISSION;
}

/* InputAddr, and RnW, InD and PnU: of the access, after STE.PRIVCFG and INSTCFG. */
static void access_fields(const struct dma_request *request, const struct smmu_context *context,
			  const struct smmu_fault *fault, uint64_t record[4])
{
	const struct smmu_ste *ste = &context->ste;
	bool write = request->access & ACCESS_WRITE;
	bool privileged = request->privileged;
	bool instruction = (request->access & ACCESS_EXECUTE) && !write;

	if (ste->privcfg >= 2)
		privileged = ste->privcfg == 3;
	if (ste->instcfg >= 2 && !write)
		instruction = ste->instcfg == 3;
	record[1] |= (uint64_t)privileged << PNU | (uint64_t)instruction << IND |
		     (uint64_t)!write << RNW | (uint64_t)fault->s2 << S2 |
		     (uint64_t)fault->class << CLASS;
	record[2] = request->iova;
}

static void fill_record(const struct smmu *smmu, const struct dma_request *request,
			const struct smmu_context *context, const struct smmu_fault *fault,
			uint64_t record[4])
{
	uint64_t sid = smmu->devices[request->device].sid;
	bool substream = request->pasid != NO_PASID;

	memset(record, 0, 4 * sizeof record[0]);
	record[0] = fault->event | sid << 32;
	if (substream && fault->event != F_STREAM_DISABLED && fault->event != F_TRANSL_FORBIDDEN)
		record[0] |= (uint64_t)request->pasid << 12 |
			     (uint64_t)(fault->event != C_BAD_SUBSTREAMID) << SSV;
	switch (fault->event) {
	case F_TRANSLATION:
	case F_ADDR_SIZE:
	case F_ACCESS:
	case F_PERMISSION:
		access_fields(request, context, fault, record);
		if (fault->event == F_PERMISSION && fault->class == CLASS_TT)
			record[1] |= (uint64_t)!fault->write_failed << TTRNW;
		if (fault->s2)
			record[3] = bits_at(fault->ipa, 51, 12);
		break;
	case F_WALK_EABT:
		access_fields(request, context, fault, record);
		record[3] = bits_at(fault->fetch, 51, 3);
		break;
	case F_TLB_CONFLICT:
		access_fields(request, context, fault, record);
		break;
	case F_STE_FETCH:
	case F_CD_FETCH:
		record[3] = bits_at(fault->fetch, 51, 3);
		break;
	case F_TRANSL_FORBIDDEN:
		record[1] = (uint64_t) !(request->access & ACCESS_WRITE) << RNW;
		record[2] = request->iova;
		break;
	case F_BAD_ATS_TREQ:
		record[2] = request->iova;
		break;
	default:
		break;
	}
	if (!smmu->config.event_class)
		record[1] &= ~(3ull << CLASS);
}

/* The queue is on, and no external abort is to be acknowledged (6.3.19). */
static bool evtq_open(const struct smmu *smmu)
{
	return bit(smmu->cr0, 2) && (smmu->config.full_queue == SMMUV3_GERROR ||
				     !bit(smmu->gerror ^ smmu->gerrorn, GERROR_EVENTQ_ABT));
}

bool smmu_evtq_writable(const struct smmu *smmu)
{
	return evtq_open(smmu) && !smmu_queue_full(&smmu->evtq);
}

/* 3.5.4; or what QEMU does instead. */
static void evtq_is_full(struct smmu *smmu)
{
	if (smmu->config.full_queue == SMMUV3_GERROR)
		smmu_gerror(smmu, GERROR_EVENTQ_ABT);
	else if (!smmu_queue_overflow(&smmu->evtq))
		smmu->evtq.prod ^= 1u << 31;
}

/* False: not written; a full queue overflows (3.5.4). */
bool smmu_evtq_write(struct smmu *smmu, const uint64_t record[4], bool *interrupt)
{
	bool was_empty = smmu_queue_empty(&smmu->evtq);

	*interrupt = false;
	if (!evtq_open(smmu))
		return false;
	if (smmu_queue_full(&smmu->evtq)) {
		evtq_is_full(smmu);
		return false;
	}
	if (!smmu_queue_put(smmu, &smmu->evtq, record, EVENT_LG2)) {
		smmu_gerror(smmu, GERROR_EVENTQ_ABT);
		return false;
	}
	*interrupt = was_empty && bit(smmu->irq_ctrl, 2);
	if (*interrupt) {
		smmu->count.interrupts++;
		smmu->iommu.interrupt = true;
		smmu->attention = true;
	}
	return true;
}

/* The condition becomes active, if it is not (6.3.19). */
void smmu_gerror(struct smmu *smmu, unsigned index)
{
	if (!bit(smmu->gerror ^ smmu->gerrorn, index))
		smmu->gerror ^= 1u << index;
}

uint32_t smmu_evtq_holder(struct smmu *smmu, uint32_t device)
{
	return smmu_queue_holder(smmu, &smmu->evtq, EVENT_LG2, 32, device);
}

/* Identical to the last record but for the offset, and mergeable (7.3.1). */
static bool merges(const struct smmu *smmu, const struct smmu_context *context,
		   const uint64_t record[4])
{
	uint16_t event = (uint16_t)bits(record[0], 7, 0);
	bool any = event <= C_BAD_STE;

	return smmu->config.merge && (any || context->ste.mev) && !smmu_queue_empty(&smmu->evtq) &&
	       record[0] == smmu->last_record[0] && record[1] == smmu->last_record[1] &&
	       record[3] == smmu->last_record[3] &&
	       !((record[2] ^ smmu->last_record[2]) & ~0xfffull);
}

enum response { RESPONSE_ABORT, RESPONSE_ZERO, RESPONSE_STALL };

/* CD.A, R and S, or STE.S2S and S2R (3.12). *record: whether an event is to be written. */
static enum response respond(const struct smmu *smmu, const struct smmu_context *context,
			     const struct smmu_fault *fault, bool *record)
{
	*record = fault->event != SMMUV3_SILENT_ABORT &&
		  (fault->event != C_BAD_STREAMID || bit(smmu->cr2, 1));
	if (!by_fault_model(fault->event) || fault->bypass)
		return RESPONSE_ABORT;
	if (fault->s2 ? context->ste.s2s : context->stall)
		return RESPONSE_STALL;
	*record = fault->s2 ? context->ste.s2r : context->record;
	return fault->s2 || context->abort_on_fault ? RESPONSE_ABORT : RESPONSE_ZERO;
}

/* Where the record that was just written lies, and what of it rests on the request alone. */
static void tell_record(const struct smmu *smmu, const uint64_t record[4],
			struct fault_report *report)
{
	const struct dma_request *request = report->request;

	report->record = record;
	report->record_slot = (smmu->evtq.prod - 1) & (uint32_t)low_mask(smmu->evtq.log2);
	if (!request->access)
		report->untold[1] = 1ull << RNW;
	if (!(request->iova & 0xfff))
		report->untold[2] = 0xfff;
}

static void write_event(struct smmu *smmu, const struct smmu_context *context,
			const uint64_t record[4], struct fault_report *report)
{
	bool full = smmu_queue_full(&smmu->evtq);

	report->fate = FAULT_RECORDED;
	if (merges(smmu, context, record)) {
		report->fate = FAULT_COLLAPSED;
		smmu->count.merged++;
	} else if (smmu_evtq_write(smmu, record, &report->interrupt)) {
		smmu->count.recorded++;
		tell_record(smmu, record, report);
		memcpy(smmu->last_record, record, sizeof smmu->last_record);
	} else if (bit(smmu->cr0, 2) && full) {
		report->fate = FAULT_LOST;
		report->holder = smmu_evtq_holder(smmu, report->request->device);
		smmu->count.lost++;
	} else {
		report->fate = FAULT_DISABLED;
		smmu->count.disabled++;
	}
}

void smmu_event(struct smmu *smmu, const struct dma_request *request,
		const struct smmu_context *context, const struct smmu_fault *fault,
		struct dma_result *result)
{
	struct fault_report report = { .holder = NO_DEVICE,
				       .event = smmu->iommu.event,
				       .request = request,
				       .code = fault->event };
	uint64_t *record = smmu->detail.record;
	bool write, recorded = true;
	enum response response = respond(smmu, context, fault, &write);

	smmu->count.faults++;
	fill_record(smmu, request, context, fault, record);
	result->sees = response == RESPONSE_STALL  ? SEES_NOTHING
		       : response == RESPONSE_ZERO ? SEES_ZERO
						   : SEES_ABORT;
	if (response == RESPONSE_STALL) {
		smmu_stall(smmu, request, record, &recorded, &report.interrupt);
		report.fate = recorded ? FAULT_RECORDED : FAULT_SILENT;
	} else if (!write) {
		report.fate = FAULT_SILENT;
		smmu->count.silent++;
	} else {
		write_event(smmu, context, record, &report);
	}
	smmu->observer->fault(smmu->observer->self, &report);
}

/* A driver's event thread: every record read, OVACKFLG made equal, CONS written. */
void smmu_acknowledge_faults(struct iommu *iommu, uint64_t event)
{
	struct smmu *smmu = smmu_of(iommu);
	bool overflow = smmu_queue_overflow(&smmu->evtq);

	smmu->iommu.event = event;
	smmu->evtq.cons = smmu->evtq.prod;
	if (overflow)
		smmu->observer->faults_acknowledged(smmu->observer->self, true);
	smmu_stalls_writable(smmu);
}
