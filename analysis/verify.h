/*
 * --verify: every finding is derived a second time, slowly and by brute force, and any difference is
 * an error: a defect of this program.
 *
 * What the two derivations share: the facts that a replay tells (updates, invalidations, owners,
 * fault records with their fate, changed table words), the copies that caches hold (each_copy) and
 * the uncached translation of a request (truth). What they do not share: check bits, the caches'
 * own probes, interval maps, windows, holders, every list of the detector. The second derivation
 * keeps plain arrays and looks through all of them at every event:
 *
 *   verify_copies.c    every copy of every cache, looked at after every step
 *   verify_doubt.c     which of them rules R1 to R5 put in doubt, and until when
 *   verify_requests.c  stale-use, stale-refusal, benign-stale, multi-hit, table-uaf used
 *   verify_windows.c   exposure with both sides, flush-missing, grades
 *   verify_flushes.c   flush-excess, collateral, in-flight
 *   verify_ledger.c    free-mapped, gap-fault, over-unmap
 *   verify_tables.c    table-uaf window
 *   verify_faults.c    overflow, masked
 *
 * Where copies do not show all that puts them in doubt (a model without plain_copies, now SMMUv3; units
 * that do not snoop; dirty bits that software cleared) what depends on it is not checked: benign-stale, multi-hit, table-uaf, flush-excess,
 * collateral, tag-reuse and the hardware side of windows.
 *
 * The same holds from the first DMA of a device with ats=yes on, whose uses and refusals are derived from the
 * copy of its TLB, or of the unit, that led there. With page requests each request is compared with truth, and
 * findings are not derived again: DMA that waits is served at other times than recorded.
 * Not derived again: walk-behind, torn, run-inconsistent, rights-exceed, lost-dirty, disagreement (of the
 * model with its recorder), counters, histograms other than
 * through the findings they are made of, evidence.
 */
#ifndef IOMMUSIM_ANALYSIS_VERIFY_H
#define IOMMUSIM_ANALYSIS_VERIFY_H

#include "analysis/claims.h"
#include "sim/replay.h"

struct verifier;

/* Stands between the replay and another pair of observers, which hear everything as before. */
int verifier_create(const struct replay_observer *observer, const struct iommu_observer *caches,
		    struct verifier **out, struct err *err);
void verifier_destroy(struct verifier *verifier); /* NULL is allowed */
const struct replay_observer *verifier_replay_observer(struct verifier *verifier);
const struct iommu_observer *verifier_iommu_observer(struct verifier *verifier);
void verifier_watch(struct verifier *verifier, struct replay *replay);

/*
 * After the end of the replay and of the detector, which made `reported`. 0: no difference in
 * *checked requests; -1: *err tells the first one and how many there are.
 */
int verifier_result(struct verifier *verifier, struct claims *reported, uint64_t *checked,
		    struct err *err);

#endif
