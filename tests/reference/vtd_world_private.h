/* The parts of the random VT-d worlds among themselves. */
#ifndef IOMMUSIM_TESTS_REFERENCE_VTD_WORLD_PRIVATE_H
#define IOMMUSIM_TESTS_REFERENCE_VTD_WORLD_PRIVATE_H

#include "tests/reference/vtd_world.h"

/* The same to model and reference. */
void world_store(struct world *world, uint64_t pa, uint64_t value);
void world_execute(struct world *world, uint64_t low, uint64_t high);
void world_flush_everything(struct world *world);
void world_set_root(struct world *world, uint64_t root);
/* An entry of a second-stage table, mostly well formed; one that points on points to `table`. */
uint64_t world_second_entry(struct world *world, unsigned level, uint64_t table);

/* vtd_world_scalable.c */
void scalable_capabilities(struct world *world); /* of the reference's registers */
void scalable_make_tables(struct world *world);
void scalable_update(struct world *world);

#endif
