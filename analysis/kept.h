/*
 * Results kept in memory: a result sink that remembers what it gets, in order, and gives it to another one
 * later. For runs that go on at the same time, of which a store takes one after the other.
 *
 * Memory follows what is kept: findings that are stored one by one, a hundred of each other kind, some
 * hundred counters. Not thread-safe.
 */
#ifndef IOMMUSIM_ANALYSIS_KEPT_H
#define IOMMUSIM_ANALYSIS_KEPT_H

#include "analysis/finding.h"

struct kept;

int kept_create(struct kept **out, struct err *err);
void kept_destroy(struct kept *kept); /* NULL is allowed */

/* The sink that remembers; it lives as long as what it belongs to. */
struct result_sink *kept_sink(struct kept *kept);

/* Everything in the order in which it came: findings, counters, histograms and notes are told apart. */
int kept_give(const struct kept *kept, struct result_sink *sink, struct err *err);

#endif
