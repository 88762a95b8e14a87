/*
 * A VT-d unit with random tables, kept by the model and by the slow reference alike: every word is
 * written to both, and every invalidation that the specification asks for is made at once.
 */
#ifndef IOMMUSIM_TESTS_REFERENCE_VTD_WORLD_H
#define IOMMUSIM_TESTS_REFERENCE_VTD_WORLD_H

#include "hw/vtd/vtd.h"
#include "tests/reference/vtd_reference.h"
#include "traces/rng.h"

enum { WORLD_PAGES = 80, WORLD_WORDS = 512, WORLD_DEVICES = 12, WORLD_RECENT = 8 };
/* Indices into tables: few, so that requests meet what is mapped, and both halves of a table. */
enum { WORLD_INDICES = 6 };
extern const unsigned world_indices[WORLD_INDICES];
extern const uint16_t world_sids[WORLD_DEVICES];

/* A request's source, PASID and address. */
struct world_target {
	unsigned device; /* of world_sids */
	uint32_t pasid;	 /* or REFERENCE_NO_PASID */
	uint64_t address;
};

struct world {
	struct rng rng;
	uint64_t words[WORLD_PAGES * WORLD_WORDS];
	struct reference_unit reference;
	struct memory *memory;
	struct tables *tables;
	struct iommu *iommu;
	struct iommu_observer observer;
	uint32_t handles[WORLD_DEVICES];
	uint64_t event, seed;
	bool scalable;	/* scalable mode */
	bool tangled;	/* pages serve as tables of several levels */
	uint64_t stale; /* uses of copies that no longer equal memory: none is allowed */
	uint64_t recent[WORLD_RECENT]; /* addresses to come back to, so that caches are hit */
	struct world_target targets[WORLD_RECENT]; /* the same in scalable mode */
	uint64_t outcomes[4], cached, faults[256];
};

/* All of it follows from the seed. Legacy mode, or scalable mode. */
void world_create(struct world *world, uint64_t seed);
void world_create_scalable(struct world *world, uint64_t seed);
void world_destroy(struct world *world);
/* Changes a root, context or paging entry, or the root pointer, and invalidates. */
void world_update(struct world *world);
/* A random one in scalable mode. */
void world_target(struct world *world, struct world_target *target);
/* One of world_indices. */
unsigned world_index(struct world *world);
uint64_t world_bit(struct world *world); /* a random one */

#endif
