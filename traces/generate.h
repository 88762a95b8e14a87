/*
 * Streams to order, seeded and deterministic: the workloads of `iommusim generate` and of the
 * benchmark. Each yields a complete recording: domains, devices, attaches, maps, then DMA.
 *
 *   zipf    Zipf(skew) over `pages` pages of 4 KiB, order shuffled, 8 devices in 2 domains
 *   ring    64 NIC rings of 512 descriptors: descriptor read, payload write, completion write,
 *           rings visited in bursts of 32 packets
 *   nvme    drives with queues: transfers of 4 to 128 KiB in 512-byte pieces
 *   strict  rounds of map, DMA, unmap, invalidate
 *   seq     pages 0, 1, 2, ... without reuse;  uniform: uniform over `pages`
 *   chaos   random maps, splits, protects, table replacements, partial and missing invalidations,
 *           attaches to other domains, frees and allocs, DMA of every kind: for --verify
 */
#ifndef IOMMUSIM_TRACES_GENERATE_H
#define IOMMUSIM_TRACES_GENERATE_H

#include "traces/event.h"

struct generate_options {
	const char *pattern;
	uint64_t
		events; /* DMAs (zipf, ring, nvme, seq, uniform), rounds (strict), events (chaos) */
	uint64_t seed;
	uint64_t pages;	  /* zipf, uniform, chaos */
	double skew;	  /* zipf; 0.9 in the yardstick */
	uint64_t devices; /* 1..64 */
	uint64_t domains; /* 1..devices */
	uint64_t gap_ns;  /* between events; 0: the pattern's default */
	uint64_t ats;	  /* so many devices have ATS, from the first on */
	uint64_t pasids;  /* chaos: each of these is attached for one PASID too, if not 0 */
};

void generate_defaults(const char *pattern, struct generate_options *options);
int generate_open(const struct generate_options *options, struct event_source **out,
		  struct err *err);

#endif
