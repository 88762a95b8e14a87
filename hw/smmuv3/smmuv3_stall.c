/* Transactions that wait for software: the stall model, IHI 0070 3.12.2. */
#include <stdlib.h>

#include "hw/smmuv3/smmuv3_private.h"

enum { STALL_BIT = 95 - 64, STALLS_KEPT = 1024 };

static bool waiting(const struct smmuv3_stall *stall)
{
	return stall->state == STALL_HELD_BACK || stall->state == STALL_RECORDED;
}

static bool tag_free(const struct smmu *smmu, uint16_t stag)
{
	for (uint32_t i = 0; i < smmu->n_stalls; i++)
		if (smmu->stalls[i].state == STALL_RECORDED && smmu->stalls[i].stag == stag)
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

/* The ones that have ended are forgotten, oldest first, when the list grows. */
static void forget_ended(struct smmu *smmu)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < smmu->n_stalls; i++)
		if (waiting(&smmu->stalls[i]))
			smmu->stalls[kept++] = smmu->stalls[i];
	smmu->n_stalls = kept;
}

static struct smmuv3_stall *add(struct smmu *smmu)
{
	if (smmu->n_stalls >= STALLS_KEPT && smmu->n_stalls == smmu->max_stalls)
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
static bool write_record(struct smmu *smmu, struct smmuv3_stall *stall, uint64_t record[4],
			 bool *interrupt)
{
	*interrupt = false;
	if (!smmu_evtq_writable(smmu) || outstanding(smmu) >= smmu->config.stall_max)
		return false;
	while (!tag_free(smmu, smmu->next_stag))
		smmu->next_stag++;
	stall->stag = smmu->next_stag++;
	record[1] |= 1ull << STALL_BIT | stall->stag;
	if (!smmu_evtq_write(smmu, record, interrupt))
		return false;
	stall->state = STALL_RECORDED;
	smmu->count.recorded++;
	return true;
}

/* The request has no answer. *recorded: its event is in the queue, else it is held back. */
void smmu_stall(struct smmu *smmu, const struct dma_request *request, uint64_t record[4],
		bool *recorded, bool *interrupt)
{
	struct smmuv3_stall *stall = smmu->resuming ? &smmu->resumed : add(smmu);

	*stall = (struct smmuv3_stall){ .state = STALL_HELD_BACK,
					.request = *request,
					.sid = smmu->devices[request->device].sid };
	smmu->count.stalls++;
	*recorded = write_record(smmu, stall, record, interrupt);
	if (*recorded)
		return;
	record[1] |= 1ull << STALL_BIT;
	smmu->count.stalls_held++;
	smmu->count.stalls_starved += outstanding(smmu) >= smmu->config.stall_max;
}

/* As if it had just arrived: it may end, or stall again with a new record. */
static void retry(struct smmu *smmu, uint32_t index)
{
	struct dma_request request = smmu->stalls[index].request;
	struct smmuv3_stall *stall = &smmu->stalls[index];
	struct dma_result result;

	smmu->resuming = true;
	stall->state = STALL_COMPLETED; /* its STAG is free */
	smmu_serve_page(smmu, &request, &result);
	smmu->resuming = false;
	if (result.sees == SEES_NOTHING) {
		*stall = smmu->resumed;
		return;
	}
	stall->state = result.outcome == OUTCOME_OK ? STALL_COMPLETED : STALL_TERMINATED;
	stall->end = result;
	smmu->count.stalls_ended++;
}

/*
 * Room in the event queue: what was held back is tried again and only then recorded. So nothing that
 * an invalidation has changed since is ever recorded, which is all that CMD_SYNC asks (3.12.2).
 */
void smmu_stalls_writable(struct smmu *smmu)
{
	for (uint32_t i = 0; i < smmu->n_stalls; i++)
		if (smmu->stalls[i].state == STALL_HELD_BACK && smmu_evtq_writable(smmu) &&
		    outstanding(smmu) < smmu->config.stall_max)
			retry(smmu, i);
}

static void end(struct smmu *smmu, struct smmuv3_stall *stall, uint8_t sees)
{
	stall->state = STALL_TERMINATED;
	stall->end = (struct dma_result){ .pa = NO_PA, .outcome = OUTCOME_FAULT, .sees = sees };
	smmu->count.stalls_ended++;
}

/* CMD_STALL_TERM, and SMMUEN cleared. */
void smmu_stalls_end(struct smmu *smmu, uint32_t sid, bool all)
{
	for (uint32_t i = 0; i < smmu->n_stalls; i++)
		if (waiting(&smmu->stalls[i]) && (all || smmu->stalls[i].sid == sid))
			end(smmu, &smmu->stalls[i], SEES_ABORT);
}

/* CMD_RESUME; a StreamID or STAG that no transaction has is ignored. */
void smmu_resume(struct smmu *smmu, uint32_t sid, uint16_t stag, bool again, bool abort_it)
{
	for (uint32_t i = 0; i < smmu->n_stalls; i++) {
		struct smmuv3_stall *stall = &smmu->stalls[i];

		if (stall->state != STALL_RECORDED || stall->sid != sid || stall->stag != stag)
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

size_t smmuv3_stalls(const struct iommu *iommu, const struct smmuv3_stall **stalls)
{
	const struct smmu *smmu = (const struct smmu *)iommu;

	*stalls = smmu->stalls;
	return smmu->n_stalls;
}
