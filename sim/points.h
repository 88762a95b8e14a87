/*
 * Points behind one world (rules R8): IOMMUs of several machines in one replay of one recording.
 *
 * The world is a replay without a detector. It works off every recorded event once: decodes, ledgers, owners,
 * table words, the driver's policy, and the instants of its invalidations. What it does goes step by step to every
 * point: changed table words with their ranges, what was mapped and removed, invalidations issued, executed and
 * complete, stretches of DMA. A point is a replay too, but one that writes no tables and decides nothing: it owns
 * its IOMMUs with their caches, their fault records, the clock of their fault handlers, its counters, and an observer.
 * What it finds is, to the byte, what a replay of its own finds.
 *
 * The stretch that a point consumes at once ends where tables change, so that it never has to look back: a miss is
 * walked in the shared tables, which stand as of the event. There is no journal of old words.
 *
 * Points of one world have the same model and the same driver: all of struct run_config, and whatever a driver reads
 * from the IOMMU (formats, page sizes, tags, encoded commands) are equal, or adding or replaying the point is an error
 * that says what differs. Refused too, because what one point does would change what others see: time.flight,
 * page requests, dirty tracking, accessed and dirty bits written by hardware, and --verify.
 *
 * A replay without points knows nothing of this but a NULL pointer. Cost: a stretch of DMA is made into requests once
 * for each point; an update tells each point's IOMMUs.
 */
#ifndef IOMMUSIM_SIM_POINTS_H
#define IOMMUSIM_SIM_POINTS_H

#include "sim/replay.h"

/* A replay that has points and nothing else to tell of; `machine` says how the driver is built. Fed and finished like any
 * other; destroying it destroys its points. */
int replay_create_world(const struct machine *machine, struct replay **out, struct err *err);

/*
 * Before the first batch. *point is what its detector watches: it is neither fed nor destroyed. Everything else that asks
 * a replay may ask it; its counters are complete after replay_finish() of the world.
 */
int replay_add_point(struct replay *world, const struct machine *machine,
		     const struct replay_observer *observer, const struct iommu_observer *caches,
		     struct replay **point, struct err *err);

#endif
