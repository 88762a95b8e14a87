/* Requests given to a model's translate_plain() as if a recording held them. */
#ifndef IOMMUSIM_HW_RECORDS_H
#define IOMMUSIM_HW_RECORDS_H

#include "hw/iommu.h"

enum { RECORDS_AT_ONCE = 16 };

/* False: no record says all that the request is. */
static inline bool record_of(const struct dma_request *request, struct dma_record *record)
{
	unsigned verb = (request->access - 1u) & 3;

	*record = (struct dma_record){ .time_ns = request->time_ns,
				       .iova = request->iova,
				       .len = request->len,
				       .how = verb << DMA_RECORD_VERB_LG2 };
	return dma_is_usual(request) && request->access == dma_access_of(verb);
}

/* Serves requests from the first on while they are plain; says how many. */
static inline size_t translate_as_records(struct iommu *iommu, uint64_t first_event,
					  const struct dma_request *requests,
					  struct dma_result *results, size_t n)
{
	struct dma_record records[RECORDS_AT_ONCE];
	uint32_t devices[RECORDS_AT_ONCE];
	struct dma_run run = { .records = records,
			       .devices = devices,
			       .n_devices = RECORDS_AT_ONCE };
	size_t done = 0, served;

	do {
		run.first_event = first_event + done;
		for (run.n = 0; run.n < RECORDS_AT_ONCE && done + run.n < n; run.n++) {
			const struct dma_request *request = &requests[done + run.n];

			if (!record_of(request, &records[run.n]))
				break;
			records[run.n].who = (uint32_t)run.n;
			devices[run.n] = request->device;
		}
		if (!run.n)
			break;
		served = iommu->model->translate_plain(iommu, &run, results + done);
		done += served;
	} while (served == run.n && done < n);
	return done;
}

#endif
