/*
 * Transactions that wait for software: the stall model, IHI 0070 3.12.2.
 *
 * One that is tried again is as if it had just arrived. The unit does that itself, or leaves it to whoever
 * drives it (iommu->reissues), who then has the transaction back.
 */
#include <stdlib.h>
#include <string.h>

#include "hw/smmuv3/smmuv3_private.h"

enum { STALL_BIT = 95 - 64, STALLS_KEPT = 1024 };

static bool waiting(const struct stall *stall)
{
	return stall->state == STALL_UNRECORDED || stall->state == STALL_RECORDED;
}

static bool tag_free(const struct smmu *smmu, uint16_t stag)
{
	for (uint32_t i = 0; i < smmu->n_stalls; i++)
		if (smmu->stalls[i].state == STALL_RECORDED && smmu->stalls[i].tag == stag)
			return false;
	return true;
}

static uint64_t outstanding(const struct smmu *smmu)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < smmu->n_stalls; i++)
		n += smmu->stalls[i].state == STALL_RECORDED;
	return n;
}

static void step(struct smmu *smmu, struct stall *stall, enum stall_state state)
{
	stall->state = state;
	stall->told = false;
	smmu->iommu.stall_news = true;
}

/* The ones that have ended are forgotten, oldest first, when the list grows. */
static void forget_ended(struct smmu *smmu)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < smmu->n_stalls; i++)
		if (waiting(&smmu->stalls[i]))
			smmu->stalls[kept++] = smmu->stalls[i];
	smmu->n_stalls = kept;
}

static struct stall *add(struct smmu *smmu)
{
	if (smmu->n_stalls >= STALLS_KEPT && smmu->n_stalls == smmu->max_stalls &&
	    !smmu->iommu.reissues)
		forget_ended(smmu);
	if (smmu->n_stalls == smmu->max_stalls) {
		smmu->max_stalls = smmu->max_stalls ? smmu->max_stalls * 2 : 16;
		smmu->stalls = realloc(smmu->stalls, smmu->max_stalls * sizeof *smmu->stalls);
		if (!smmu->stalls)
			abort();
	}
	return &smmu->stalls[smmu->n_stalls++];
}

/* Writes the record with an STAG of its own, where queue and IDR5.STALL_MAX have room. */
static bool write_record(struct smmu *smmu, struct stall *stall, uint64_t record[4],
			 bool *interrupt)
{
	*interrupt = false;
	if (!smmu_evtq_writable(smmu) || outstanding(smmu) >= smmu->config.stall_max)
		return false;
	while (!tag_free(smmu, smmu->next_stag))
		smmu->next_stag++;
	stall->tag = smmu->next_stag++;
	record[1] |= 1ull << STALL_BIT | stall->tag;
	if (!smmu_evtq_write(smmu, record, interrupt))
		return false;
	stall->state = STALL_RECORDED;
	smmu->count.recorded++;
	return true;
}

/* Another device with a stall that software has not answered, else with a record in the queue. */
static uint32_t holder(struct smmu *smmu, uint32_t device)
{
	for (uint32_t i = 0; i < smmu->n_stalls; i++)
		if (smmu->stalls[i].state == STALL_RECORDED &&
		    smmu->stalls[i].request.device != device)
			return smmu->stalls[i].request.device;
	return smmu_evtq_holder(smmu, device);
}

/* The request has no answer. *recorded: its event is in the queue, else it is held back. */
void smmu_stall(struct smmu *smmu, const struct dma_request *request, uint64_t record[4],
		bool *recorded, bool *interrupt)
{
	struct stall *stall = smmu->resuming ? &smmu->resumed : add(smmu);

	*stall = (struct stall){ .request = *request,
				 .event = smmu->iommu.event,
				 .fault = (uint16_t)bits(record[0], 7, 0),
				 .holder = NO_DEVICE,
				 .serial = ++smmu->n_stalled };
	step(smmu, stall, STALL_UNRECORDED);
	smmu->attention = true; /* later requests of the device may have to wait behind it */
	smmu->count.stalls++;
	*recorded = write_record(smmu, stall, record, interrupt);
	if (*recorded)
		return;
	record[1] |= 1ull << STALL_BIT;
	stall->holder = holder(smmu, request->device);
	smmu->count.stalls_held++;
	smmu->count.stalls_starved += outstanding(smmu) >= smmu->config.stall_max;
}

/* As if it had just arrived: it may end, or stall again with a new record. */
static void retry(struct smmu *smmu, uint32_t index)
{
	struct dma_request request = smmu->stalls[index].request;
	struct stall *stall = &smmu->stalls[index];
	struct dma_result result;

	if (smmu->iommu.reissues) {
		step(smmu, stall, STALL_AGAIN);
		smmu->count.stalls_ended++;
		return;
	}
	smmu->resuming = true;
	stall->state = STALL_COMPLETED; /* its STAG is free */
	smmu_serve_page(smmu, &request, &result);
	smmu->resuming = false;
	if (result.sees == SEES_NOTHING) {
		*stall = smmu->resumed;
		return;
	}
	step(smmu, stall, result.outcome == OUTCOME_OK ? STALL_COMPLETED : STALL_TERMINATED);
	stall->end = result;
	smmu->count.stalls_ended++;
}

/* How many more records of stalls queue and IDR5.STALL_MAX have room for. */
static uint64_t room(const struct smmu *smmu)
{
	uint64_t stalled = outstanding(smmu);
	uint64_t used = (smmu->evtq.prod - smmu->evtq.cons) & smmu_queue_mask(&smmu->evtq);
	uint64_t queue = smmu_evtq_writable(smmu) ? (1ull << smmu->evtq.log2) - used : 0;
	uint64_t stalls = stalled < smmu->config.stall_max ? smmu->config.stall_max - stalled : 0;

	return queue < stalls ? queue : stalls;
}

/*
 * Room in the event queue: what was held back is tried again and only then recorded. So nothing that
 * an invalidation has changed since is ever recorded, which is all that CMD_SYNC asks (3.12.2). Those that
 * are issued again by others are no more than there is room for.
 */
void smmu_stalls_writable(struct smmu *smmu)
{
	uint64_t issued = 0;

	for (uint32_t i = 0; i < smmu->n_stalls; i++) {
		if (smmu->stalls[i].state != STALL_UNRECORDED || issued >= room(smmu))
			continue;
		issued += smmu->iommu.reissues;
		retry(smmu, i);
	}
}

static void end(struct smmu *smmu, struct stall *stall, uint8_t sees)
{
	step(smmu, stall, STALL_TERMINATED);
	stall->end = (struct dma_result){ .pa = NO_PA, .outcome = OUTCOME_FAULT, .sees = sees };
	smmu->count.stalls_ended++;
}

/* CMD_STALL_TERM, and SMMUEN cleared. */
void smmu_stalls_end(struct smmu *smmu, uint32_t sid, bool all)
{
	for (uint32_t i = 0; i < smmu->n_stalls; i++)
		if (waiting(&smmu->stalls[i]) &&
		    (all || smmu->devices[smmu->stalls[i].request.device].sid == sid))
			end(smmu, &smmu->stalls[i], SEES_ABORT);
}

/* CMD_RESUME; a StreamID or STAG that no transaction has is ignored. */
void smmu_resume(struct smmu *smmu, uint32_t sid, uint16_t stag, bool again, bool abort_it)
{
	for (uint32_t i = 0; i < smmu->n_stalls; i++) {
		struct stall *stall = &smmu->stalls[i];

		if (stall->state != STALL_RECORDED || stall->tag != stag ||
		    smmu->devices[stall->request.device].sid != sid)
			continue;
		if (again)
			retry(smmu, i);
		else
			end(smmu, stall,
			    abort_it || smmu->config.term_model ? SEES_ABORT : SEES_ZERO);
		smmu_stalls_writable(smmu);
		return;
	}
}

/* ---- what a replay asks ------------------------------------------------------------------------ */

static bool next(struct iommu *iommu, struct stall *stall)
{
	struct smmu *smmu = smmu_of(iommu);

	for (uint32_t i = 0; i < smmu->n_stalls; i++) {
		struct stall *at = &smmu->stalls[i];

		if (at->told)
			continue;
		at->told = true;
		*stall = *at;
		if (!waiting(at)) {
			memmove(at, at + 1, (smmu->n_stalls - i - 1) * sizeof *at);
			smmu->n_stalls--;
		}
		return true;
	}
	iommu->stall_news = false;
	return false;
}

/* An answer to none is a command all the same, and has no effect. */
static void encode(const struct iommu *iommu, const struct stall *stall, bool again,
		   struct native_command *command)
{
	const struct smmu *smmu = (const struct smmu *)iommu;
	struct smmuv3_command resume = { .opcode = CMD_RESUME,
					 .sid = smmu->devices[stall->request.device].sid,
					 .retry = again,
					 .abort = !again,
					 .stag = stall->tag };

	smmuv3_pack(&resume, command);
}

const struct stall_ops smmu_stall_ops = { .next = next, .encode = encode };
