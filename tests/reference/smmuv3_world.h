/*
 * An SMMUv3 with random structures, kept by the model and by the slow reference alike: every word is
 * written to both, and after every change everything is invalidated.
 *
 * Copies that real hardware may mix are kept apart, because which of them answers is no question of
 * walks: ASIDs and VMIDs are each one configuration's, contiguous sets are written as a whole, and
 * tables whose flags hardware writes are nothing else.
 */
#ifndef IOMMUSIM_TESTS_REFERENCE_SMMUV3_WORLD_H
#define IOMMUSIM_TESTS_REFERENCE_SMMUV3_WORLD_H

#include "hw/smmuv3/smmuv3.h"
#include "tests/reference/smmuv3_reference.h"
#include "traces/rng.h"

enum { SMMU_WORLD_BYTES = 4 << 20, SMMU_WORLD_STREAMS = 10, SMMU_WORLD_SIDS = 13 };
enum { SMMU_WORLD_EVENTS = 0x14, SMMU_WORLD_RECENT = 12 };
extern const uint32_t smmu_world_sids[SMMU_WORLD_SIDS];

struct smmu_world {
	struct rng rng;
	uint64_t *words; /* memory from address 0 as the reference has it */
	uint64_t limit;
	struct smmu_reference_unit reference;
	struct smmuv3_config config;
	struct memory *memory;
	struct tables *tables;
	struct iommu *iommu;
	struct iommu_observer observer;
	uint32_t handles[SMMU_WORLD_SIDS];
	uint64_t event, seed;
	bool global, sets;	      /* global leaves; contiguous sets that are honoured */
	uint64_t cd_flags, ste_flags; /* HA and HD of all CDs, of all STEs */
	bool flag_writes, dirty_writes;
	uint64_t stale; /* uses of copies that no longer equal memory: none is allowed */
	uint64_t recent[SMMU_WORLD_RECENT];
	/* counts, to know that nothing is left out */
	uint64_t done, translated, cached, nested, stalled, razwi, silent, written;
	uint64_t events[SMMU_WORLD_EVENTS];
};

/* All of it follows from the seed. */
void smmu_world_create(struct smmu_world *world, uint64_t seed);
void smmu_world_destroy(struct smmu_world *world);
/* Changes an STE, a CD, descriptors or a register, and invalidates. */
void smmu_world_update(struct smmu_world *world);
/* An input address that tables of some granule could map. */
uint64_t smmu_world_address(struct smmu_world *world);
/* Whether both memories hold the same. */
bool smmu_world_agrees(const struct smmu_world *world);

#endif
