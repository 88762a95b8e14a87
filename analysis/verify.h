/*
 * --verify: every request is compared with truth whatever its copies' check bits say, and what
 * was reported of it must be what the comparison gives. A difference is a defect of this
 * program: a bit that should have been set was not.
 *
 * Derived without check bits: stale-use and stale-refusal (served against truth, per page),
 * multi-hit of requests (valid copies that match, counted by brute force); the software side of
 * windows, followed piece by piece (verify_windows.h). Not derived again: benign-stale, the hardware
 * side of windows.
 */
#ifndef IOMMUSIM_ANALYSIS_VERIFY_H
#define IOMMUSIM_ANALYSIS_VERIFY_H

#include "sim/replay.h"

struct verifier;

/* Stands between the replay and another pair of observers, which hear everything as before. */
int verifier_create(const struct replay_observer *observer, const struct iommu_observer *caches,
		    struct verifier **out, struct err *err);
void verifier_destroy(struct verifier *verifier);
const struct replay_observer *verifier_replay_observer(struct verifier *verifier);
const struct iommu_observer *verifier_iommu_observer(struct verifier *verifier);
void verifier_watch(struct verifier *verifier, struct replay *replay);

/* 0: no difference in *checked requests; -1: *err tells the first one and how many there are. */
int verifier_result(const struct verifier *verifier, uint64_t *checked, struct err *err);

#endif
