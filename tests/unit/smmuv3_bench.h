/* One SMMUv3 with memory and what it told, made from a vector of tests/data/smmuv3-vectors.yaml. */
#ifndef IOMMUSIM_TESTS_UNIT_SMMUV3_BENCH_H
#define IOMMUSIM_TESTS_UNIT_SMMUV3_BENCH_H

#include <yaml.h>

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
	/* told so far */
	uint32_t stale_uses, multi_hits, table_uafs, overflows;
	uint64_t stale_pa, freed_word;
};

extern yaml_document_t bench_document;
void bench_document_open(void);
void bench_document_close(void);
yaml_node_t *bench_root(void);

/* NULL: no such key. */
yaml_node_t *bench_field(yaml_node_t *map, const char *key);
yaml_node_t *bench_item(yaml_node_t *sequence, unsigned index);
unsigned bench_items(yaml_node_t *sequence);
const char *bench_text(yaml_node_t *map, const char *key); /* "" where absent */
uint64_t bench_number(yaml_node_t *map, const char *key);  /* 0 where absent */
uint64_t bench_value(yaml_node_t *scalar);
bool bench_is_null(yaml_node_t *map, const char *key); /* there, and null */

void bench_open(struct bench *bench, yaml_node_t *vector);
void bench_close(struct bench *bench);
void bench_write(struct bench *bench, yaml_node_t *words);
void bench_write_word(struct bench *bench, pa_t pa, uint64_t value);
uint32_t bench_device(struct bench *bench, uint32_t sid);
struct dma_request bench_request(struct bench *bench, yaml_node_t *request);
struct dma_result bench_translate(struct bench *bench, const struct dma_request *request);
uint64_t bench_reg(struct bench *bench, uint64_t offset);
/* Result, response, event, record and everything else that `expect` names. */
void bench_check(struct bench *bench, yaml_node_t *expect, const struct dma_request *request,
		 const struct dma_result *result, const char *id);

#endif
