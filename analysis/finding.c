#include "analysis/finding.h"

#include <math.h>
#include <string.h>

const struct finding_kind_row finding_kinds[FINDING_KINDS] = {
	[FINDING_EXPOSURE] = { "exposure", "use-after-unmap window",
			       "from an update that removes or narrows a translation until no "
			       "cache may hold it",
			       "closed|restored|open", false },
	[FINDING_STALE_USE] = { "stale-use", "use after unmap", "a DMA was served by a stale entry",
				"own|freed|realloc-same|realloc-other|table", true },
	[FINDING_IN_FLIGHT] = { "in-flight", "use after unmap, not drained",
				"a DMA translated before an invalidation took effect after it "
				"completed",
				NULL, true },
	[FINDING_BENIGN_STALE] = { "benign-stale", "stale entry that agreed again",
				   "the same translation was restored before the invalidation",
				   NULL, false },
	[FINDING_STALE_REFUSAL] = { "stale-refusal", "cached right narrower than the tables",
				    "a request was refused by a copy although the tables allow it",
				    NULL, true },
	[FINDING_MULTI_HIT] = { "multi-hit", "overlapping translations",
				"a request matched more than one valid entry, or a fill overlaps "
				"one",
				"request|fill", true },
	[FINDING_TABLE_UAF] = { "table-uaf", "page-table use after free",
				"a walk or a cached pointer reads a table page that was freed",
				"window|used", true },
	[FINDING_FREE_MAPPED] = { "free-mapped", "page freed while mapped",
				  "ownership of a page ended while a table still maps it", NULL,
				  true },
	[FINDING_FLUSH_MISSING] = { "flush-missing", "update with no covering invalidation",
				    "a window that nothing closes within the recording or the "
				    "limit",
				    "never-issued|wrong-scope|not-completed|recording-ended",
				    true },
	[FINDING_FLUSH_EXCESS] = { "flush-excess", "invalidation that removed nothing stale",
				   "no update in its scope was outstanding", NULL, false },
	[FINDING_COLLATERAL] = { "collateral", "live entries lost",
				 "an invalidation removed entries that still agreed", NULL, false },
	[FINDING_GAP_FAULT] = { "gap-fault", "DMA in the gap of a replacement",
				"faulted only because the entry was being replaced", NULL, true },
	[FINDING_OVERFLOW] = { "overflow", "fault records lost",
			       "an episode from the first loss until recording worked again", NULL,
			       true },
	[FINDING_MASKED] = { "masked", "fault not reported",
			     "collapsed or disabled by the model's rules",
			     "collapsed|fault-processing-disabled", false },
	[FINDING_OVER_UNMAP] = { "over-unmap", "more unmapped than asked",
				 "a DMA to the rest faults", NULL, true },
	[FINDING_TAG_REUSE] = { "tag-reuse", "identifier reused too early",
				"a domain id was given to other tables while copies of the old "
				"remain",
				NULL, true },
	[FINDING_STARVED] = { "starved", "harm by another",
			      "faults or page requests of a device were lost or late "
			      "while "
			      "another held the queue",
			      "lost|delayed", true },
	[FINDING_STALL_TIMEOUT] = { "stall-timeout", "unanswered",
				    "a page request was not answered within the limit, or never",
				    "late|never|held-back", true },
	[FINDING_WALK_BEHIND] = { "walk-behind", "walk read a word not yet written back",
				  "a walk that does not snoop read memory behind what software "
				  "wrote",
				  "agrees|refusal|stale", false },
	[FINDING_TORN] = { "torn", "entry read between two writes",
			   "an entry of several words was read while an update was half done", NULL,
			   true },
	[FINDING_RUN_INCONSISTENT] = { "run-inconsistent", "members of a run disagree",
				       "one copy was made from entries that do not agree", NULL,
				       true },
	[FINDING_RIGHTS_EXCEED] = { "rights-exceed", "table grants more than was asked",
				    "more permission or more pages than map or p2m events said",
				    "permission|pages", true },
	[FINDING_LOST_DIRTY] = { "lost-dirty", "write not in the dirty log",
				 "a DMA wrote a page that no later read of the log reports",
				 "cached|discarded", true },
	[FINDING_DISAGREEMENT] = { "disagreement", "recorded answer that the model does not give",
				   "the recorded hardware answered otherwise than the model",
				   "address|refused|allowed|reason", false },
};

static uint64_t bucket_top(unsigned bucket)
{
	unsigned lg2 = bucket / 16 + 3;

	if (bucket < 16)
		return bucket;
	return ((16ull + bucket % 16 + 1) << (lg2 - 4)) - 1;
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
	uint64_t rank = (uint64_t)ceil((double)histogram->count * percent / 100), seen = 0;

	for (unsigned i = 0; i < 1024; i++) {
		seen += histogram->buckets[i];
		if (seen >= rank && seen)
			return bucket_top(i) < histogram->max ? bucket_top(i) : histogram->max;
	}
	return histogram->max;
}

struct finding finding_at(enum finding_kind kind, unsigned subtype, uint64_t event,
			  uint64_t time_ns)
{
	return (struct finding){ .kind = kind,
				 .subtype = subtype,
				 .event = event,
				 .time_ns = time_ns,
				 .end_ns = FINDING_NONE,
				 .lag_ns = FINDING_NONE,
				 .hw_ns = FINDING_NONE,
				 .hw_first_ns = FINDING_NONE,
				 .hw_last_ns = FINDING_NONE,
				 .pa = FINDING_NONE,
				 .truth_pa = FINDING_NONE };
}
