/*
 * What a replay finds: the neutral record that detectors make, the store keeps and reports
 * print. The kinds and their exact conditions are in docs/findings.md.
 *
 * A finding is plain data without pointers into the replay, but for its evidence array, which
 * belongs to the caller of the sink and is valid during the call.
 */
#ifndef IOMMUSIM_ANALYSIS_FINDING_H
#define IOMMUSIM_ANALYSIS_FINDING_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/base/err.h"

enum finding_kind {
	FINDING_EXPOSURE,
	FINDING_STALE_USE,
	FINDING_IN_FLIGHT,
	FINDING_BENIGN_STALE,
	FINDING_STALE_REFUSAL,
	FINDING_MULTI_HIT,
	FINDING_TABLE_UAF,
	FINDING_FREE_MAPPED,
	FINDING_FLUSH_MISSING,
	FINDING_FLUSH_EXCESS,
	FINDING_COLLATERAL,
	FINDING_GAP_FAULT,
	FINDING_OVERFLOW,
	FINDING_MASKED,
	FINDING_OVER_UNMAP,
	FINDING_TAG_REUSE,
	FINDING_STARVED,
	FINDING_STALL_TIMEOUT,
	FINDING_WALK_BEHIND,
	FINDING_TORN,
	FINDING_RUN_INCONSISTENT,
	FINDING_RIGHTS_EXCEED,
	FINDING_LOST_DIRTY,
	FINDING_DISAGREEMENT, /* no finding of the machine: of the model against its recorder */
	FINDING_KINDS
};

struct finding_kind_row {
	const char *name;      /* "stale-use" */
	const char *title;     /* "use after unmap" */
	const char *condition; /* one line */
	const char *
		subtypes; /* "own|freed|..." in order of severity; subtype is an index; NULL: none */
	bool keep_all;	  /* every one is stored in full; else the worst hundred and a histogram */
};
extern const struct finding_kind_row finding_kinds[FINDING_KINDS];

enum stale_grade { GRADE_OWN, GRADE_FREED, GRADE_REALLOC_SAME, GRADE_REALLOC_OTHER, GRADE_TABLE };
enum uaf_grade { UAF_WINDOW, UAF_USED };
enum missing_why {
	MISSING_NEVER_ISSUED,
	MISSING_WRONG_SCOPE,
	MISSING_NOT_COMPLETED,
	MISSING_ENDED
};
enum exposure_end { EXPOSURE_CLOSED, EXPOSURE_RESTORED, EXPOSURE_OPEN };
enum masked_why { MASKED_COLLAPSED, MASKED_FPD };
enum differs_how { DIFFERS_ADDRESS, DIFFERS_REFUSED, DIFFERS_ALLOWED, DIFFERS_REASON };
enum starved_how { STARVED_LOST, STARVED_DELAYED };
enum stall_why { STALL_LATE, STALL_NEVER, STALL_HELD_BACK };
enum behind_outcome { BEHIND_AGREES, BEHIND_REFUSAL, BEHIND_STALE };
enum rights_what { RIGHTS_PERMISSION, RIGHTS_PAGES };
enum lost_dirty_why { LOST_DIRTY_CACHED, LOST_DIRTY_DISCARDED };
enum multi_hit_at { MULTI_HIT_REQUEST, MULTI_HIT_FILL };

/* "The value is not known or does not apply." */
#define FINDING_NONE UINT64_MAX

/* One step of the story behind a finding. */
struct evidence {
	const char *
		role; /* static text: "mapped", "unmapped", "filled", "made stale", "used", "freed",
			   * "allocated", "flushed", "walked", "overlaps", ... */
	uint64_t event; /* position in the recording, or FINDING_NONE: the model's own step */
	uint64_t time_ns;
	char note[120]; /* table word old -> new, cache entry and structure, ...; may be empty */
};

struct finding {
	enum finding_kind kind;
	uint32_t subtype; /* index into the row's subtypes; 0 without */
	bool uncertain;	  /* stored and counted apart, fails no gate */
	bool inferred;	  /* rests on an inferred event or on an assumed default */
	bool write;	  /* use by a write (or atomic) */
	uint64_t event;	  /* the event that completed it */
	uint64_t time_ns; /* of that event; for windows: when it opened */
	uint64_t end_ns;  /* windows and episodes: software end; FINDING_NONE: still open */
	uint64_t lag_ns;  /* stale-use: since the update; exposure: software window */
	uint64_t hw_ns;	  /* exposure: total time a cache of the model held it; else FINDING_NONE */
	uint64_t hw_first_ns, hw_last_ns; /* exposure: first open, last close, or FINDING_NONE */
	uint64_t iova, bytes;		  /* input range; bytes 0: none */
	uint64_t pa;			  /* page reached or meant, or FINDING_NONE */
	uint64_t truth_pa;		  /* what memory says now, or FINDING_NONE: not mapped */
	uint64_t count; /* members: uses of a window, records lost, entries removed */
	/* Names; "" where there is none. */
	char domain[64], device[64], owner[64] /* at the update */, owner_now[64];
	char structure[32]; /* "IOTLB", "walk cache level 1", ... */
	char detail[160];   /* what was issued instead, fault names, ... */
	uint32_t n_evidence;
	const struct evidence *evidence;
};

/* One of which nothing else is known yet: FINDING_NONE wherever that can stand. */
struct finding finding_at(enum finding_kind kind, unsigned subtype, uint64_t event,
			  uint64_t time_ns);

/* Exact maximum, count and sum; percentiles within 1/16 of their value. */
struct histogram {
	uint64_t count, max, min;
	uint64_t sum[2]; /* exact, the low word first: bytes x ns and the like */
	uint64_t buckets[1024];
};
/* 16 buckets to each power of two; values below 16 exactly. */
static inline unsigned histogram_bucket(uint64_t value)
{
	unsigned over; /* low bits that it does not tell apart */

	if (value < 16)
		return (unsigned)value;
	over = 59u - (unsigned)__builtin_clzll(value);
	return over * 16 + (unsigned)(value >> over);
}
static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
	if (!histogram->count || value < histogram->min)
		histogram->min = value;
	if (value > histogram->max)
		histogram->max = value;
	histogram->count++;
	histogram->sum[1] += __builtin_add_overflow(histogram->sum[0], value, &histogram->sum[0]);
	histogram->buckets[histogram_bucket(value)]++;
}
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

/* A named number of a run: "dma", "iotlb.hits", "findings.stale-use.realloc-other". */
struct counter {
	char name[64];
	uint64_t value;
	char unit[16];
};

/* A sentence every reader of the result must see: assumed defaults, not assessed, inferred. */
struct run_note {
	char text[240];
};

struct result_histogram {
	char name[64]; /* "exposure.software", "stale-use.lag" */
	char unit[16];
	struct histogram histogram;
};

/* Where results go while a run lasts; implemented by the store. All return 0 or -1. */
struct result_sink {
	int (*finding)(struct result_sink *sink, const struct finding *finding, struct err *err);
	int (*counter)(struct result_sink *sink, const struct counter *counter, struct err *err);
	int (*histogram)(struct result_sink *sink, const struct result_histogram *histogram,
			 struct err *err);
	int (*note)(struct result_sink *sink, const struct run_note *note, struct err *err);
};

#endif
