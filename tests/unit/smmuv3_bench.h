/* One SMMUv3 with memory, and what it told. */
#ifndef IOMMUSIM_TESTS_UNIT_SMMUV3_BENCH_H
#define IOMMUSIM_TESTS_UNIT_SMMUV3_BENCH_H

#include "hw/smmuv3/smmuv3.h"

enum { BENCH_DEVICES = 8 };

struct bench {
	struct smmuv3_config config;
	struct memory *memory;
	struct tables *tables;
	struct iommu *iommu;
	struct iommu_observer observer;
	uint64_t event;
	uint32_t sids[BENCH_DEVICES];
	uint32_t n_devices;
	/* told since the last request began */
	bool faulted, used;
	struct fault_report fault;
	struct checked_use use;
	struct cached_copy blamed; /* use.copy lives no longer than the call that told of it */
	/* told so far */
	uint32_t stale_uses, multi_hits, overlaps, lost;
};

/* Every setting at its default. */
void bench_defaults(struct smmuv3_config *config);
/* Stream table (linear, 2^8 STEs) at 0x80000000, queues of 2^7 entries, everything enabled. */
void bench_open(struct bench *bench, const struct smmuv3_config *config);
void bench_close(struct bench *bench);
void bench_write_word(struct bench *bench, pa_t pa, uint64_t value);
uint64_t bench_word(const struct bench *bench, pa_t pa);
uint32_t bench_device(struct bench *bench, uint32_t sid);
struct dma_result bench_translate(struct bench *bench, const struct dma_request *request);
uint64_t bench_reg(struct bench *bench, uint64_t offset);
void bench_reg_write(struct bench *bench, uint64_t offset, uint64_t value);
/* Executes it; false: refused. */
bool bench_command(struct bench *bench, const struct smmuv3_command *command,
		   struct inval_report *report);

#endif
