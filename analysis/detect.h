/*
 * From what a replay tells to findings: windows, grades, episodes, counts and histograms.
 *
 * A detector is the observer of one replay. Findings go to the sink as they are complete;
 * those that are counted but not kept in full keep their worst hundred. Memory follows open
 * windows and the worst lists, never the length of the recording.
 */
#ifndef IOMMUSIM_ANALYSIS_DETECT_H
#define IOMMUSIM_ANALYSIS_DETECT_H

#include "analysis/claims.h"
#include "sim/replay.h"

struct detector;

int detector_create(const struct machine *machine, struct result_sink *sink, struct detector **out,
		    struct err *err);
void detector_destroy(struct detector *detector);

/* The two observers to create the replay with; then detector_watch(). */
const struct replay_observer *detector_replay_observer(struct detector *detector);
const struct iommu_observer *detector_iommu_observer(struct detector *detector);
void detector_watch(struct detector *detector, struct replay *replay);

/* The sink's error, if a callback failed: callbacks cannot return one. 0 or -1. */
int detector_error(const struct detector *detector, struct err *err);

/* --verify: every finding that counts goes into *claims too, kept in full or not. */
void detector_claims(struct detector *detector, struct claims *claims);
/* Every record that the model writes is noted in these dumps; they outlive the detector's use. */
struct queue_dumps;
void detector_note_records(struct detector *detector, struct queue_dumps *dumps);

/* Ends every open window and episode, writes worst lists, counters, histograms and notes. */
int detector_finish(struct detector *detector, struct err *err);

uint64_t detector_count(const struct detector *detector, enum finding_kind kind);
/* Those that rest on lost events or on the order of two clocks: not in the count. */
uint64_t detector_uncertain(const struct detector *detector, enum finding_kind kind);

#endif
