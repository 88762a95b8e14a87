/*
 * What walks read: words that memory lags behind with, entries in the middle of an update, runs whose
 * members disagree.
 *
 * Torn: an entry of several words is read while valid, and mixes words of two updates. One update is
 * recorded writes to different words of the entry, none of them twice, each within limits.update of the
 * one before, without an invalidation of configuration between. The read is known to be torn when the next word
 * of the update comes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/detect_private.h"

/* ---- walk-behind -------------------------------------------------------------------------- */

void walks_behind(struct detector *detector, const struct checked_use *use, const char *device,
		  const char *domain)
{
	static const enum behind_outcome outcomes[] = { [VERDICT_FRESH] = BEHIND_AGREES,
							[VERDICT_BENIGN] = BEHIND_AGREES,
							[VERDICT_STALE_USE] = BEHIND_STALE,
							[VERDICT_STALE_REFUSAL] = BEHIND_REFUSAL };
	const struct memory_behind *behind = use->behind;
	enum behind_outcome outcome = outcomes[use->verdict];
	/* the gravest first, of these the longest behind */
	uint64_t value = (uint64_t)outcome << 60 | (use->event - behind->event);
	bool uncertain = lost_since(detector, behind->event);
	struct story story;

	count_finding(detector, FINDING_WALK_BEHIND, outcome, uncertain);
	if (!story_wanted(detector, FINDING_WALK_BEHIND, value))
		return;
	story_begin(&story, FINDING_WALK_BEHIND, outcome, use->event, use->request->time_ns);
	story.finding.uncertain = uncertain;
	story.finding.iova = use->request->iova;
	story.finding.bytes = use->request->len;
	story.finding.write = use->request->access & ACCESS_WRITE;
	story.finding.pa = use->served.outcome == OUTCOME_OK ? use->served.pa : FINDING_NONE;
	story.finding.truth_pa = use->truth.outcome == OUTCOME_OK ? use->truth.pa : FINDING_NONE;
	snprintf(story.finding.device, sizeof story.finding.device, "%s", device);
	snprintf(story.finding.domain, sizeof story.finding.domain, "%s", domain);
	snprintf(story.finding.detail, sizeof story.finding.detail,
		 "the word at 0x%llx: memory holds 0x%llx, software wrote 0x%llx",
		 (unsigned long long)behind->word, (unsigned long long)behind->memory,
		 (unsigned long long)behind->software);
	story_step(&story, "written", behind->event, FINDING_NONE, "not written back since");
	story_step(&story, "walked", use->event, use->request->time_ns, "%s",
		   outcome == BEHIND_STALE     ? "answered otherwise than the tables say"
		   : outcome == BEHIND_REFUSAL ? "refused, although the tables allow it"
					       : "the answer is the tables' all the same");
	worst_put(detector, &story, value);
}

/* ---- torn ---------------------------------------------------------------------------------- */

enum { LINE = 64, FIRST_LINES = 64, MOST_LINES = 1 << 14 };

/* When a word of these 64 bytes was last changed by a recorded write. */
struct word_state {
	uint64_t event, time_ns, epoch; /* epoch 0: never */
};
struct line_state {
	uint64_t number; /* 1 + address / 64; 0: none here */
	uint32_t reads;	 /* of entries in it that may turn out to be torn */
	struct word_state words[LINE / 8];
};

/* A read of an entry of which some words had just been written. */
struct torn_read {
	uint64_t line;
	pa_t pa;
	const char *what;
	uint64_t event, time_ns, written_event; /* the last write before it */
	uint64_t written_ns, epoch;
	iova_t iova;
	uint32_t device, bytes;
	uint8_t first, n, fresh; /* words of the line; which of them were new */
	bool write;
};

struct walks {
	struct line_state *lines; /* open addressing, at most half full */
	uint32_t n_buckets, n_lines;
	struct torn_read *reads;
	uint32_t n_reads, max_reads;
	uint64_t epoch; /* counts invalidations of configuration, from 1 */
};

static struct line_state *find_line(const struct walks *walks, uint64_t number)
{
	uint64_t at = number * 0x9e3779b97f4a7c15ull >> 32 & (walks->n_buckets - 1);

	while (walks->lines[at].number && walks->lines[at].number != number)
		at = (at + 1) & (walks->n_buckets - 1);
	return &walks->lines[at];
}

static bool is_recent(const struct walks *walks, const struct word_state *word, uint64_t now,
		      uint64_t limit)
{
	return word->epoch == walks->epoch && now - word->time_ns <= limit;
}

/* A table of n_buckets with the lines that still matter; all go when there are too many. */
static bool rebuild(struct walks *walks, uint32_t n_buckets, uint64_t now, uint64_t limit)
{
	struct walks old = *walks;

	walks->lines = calloc(n_buckets, sizeof *walks->lines);
	if (!walks->lines) {
		*walks = old;
		return false;
	}
	walks->n_buckets = n_buckets;
	walks->n_lines = 0;
	for (uint32_t i = 0; i < old.n_buckets; i++) {
		bool matters = old.lines[i].reads;

		for (unsigned w = 0; w < LINE / 8 && old.lines[i].number; w++)
			matters |= is_recent(walks, &old.lines[i].words[w], now, limit);
		if (!matters || walks->n_lines >= MOST_LINES)
			continue;
		*find_line(walks, old.lines[i].number) = old.lines[i];
		walks->n_lines++;
	}
	free(old.lines);
	return true;
}

/* The line, made if it is not there; NULL: no memory. */
static struct line_state *make_line(struct walks *walks, uint64_t number, uint64_t now,
				    uint64_t limit)
{
	struct line_state *line = walks->n_buckets ? find_line(walks, number) : NULL;

	if (line && line->number)
		return line;
	if (walks->n_lines * 2 >= walks->n_buckets) {
		uint32_t n = walks->n_buckets ? walks->n_buckets : FIRST_LINES / 2;

		if (!rebuild(walks, n < MOST_LINES * 2 ? n * 2 : n, now, limit))
			return NULL;
		if (walks->n_lines * 2 >= walks->n_buckets) { /* a storm of writes: begin anew */
			memset(walks->lines, 0, walks->n_buckets * sizeof *walks->lines);
			walks->n_lines = walks->n_reads = 0;
		}
	}
	line = find_line(walks, number);
	line->number = number;
	walks->n_lines++;
	return line;
}

static struct walks *walks_of(struct detector *detector)
{
	if (!detector->walks) {
		detector->walks = calloc(1, sizeof *detector->walks);
		if (detector->walks)
			detector->walks->epoch = 1;
		else
			detector_fails(detector, "writes to entries");
	}
	return detector->walks;
}

static void forget_read(struct walks *walks, uint32_t i)
{
	find_line(walks, walks->reads[i].line)->reads--;
	walks->reads[i] = walks->reads[--walks->n_reads];
}

static void tell_torn(struct detector *detector, const struct torn_read *read, unsigned word,
		      uint64_t event, uint64_t time_ns)
{
	uint32_t domain = read->device != NAME_NONE
				  ? replay_device_numbered(detector->replay, read->device)->domain
				  : NAME_NONE;
	struct story story;

	story_begin(&story, FINDING_TORN, 0, read->event, read->time_ns);
	story.finding.iova = read->iova;
	story.finding.bytes = read->bytes;
	story.finding.write = read->write;
	story.finding.pa = read->pa;
	story.finding.end_ns = time_ns;
	story.finding.lag_ns = time_ns - read->time_ns;
	name_device(detector, story.finding.device, read->device);
	name_domain(detector, story.finding.domain, domain);
	snprintf(story.finding.detail, sizeof story.finding.detail,
		 "%s at 0x%llx: read before its word %u was written", read->what,
		 (unsigned long long)read->pa, word - read->first);
	story_since(&story, read->written_event);
	story_step(&story, "written", read->written_event, read->written_ns,
		   "a word of the entry at 0x%llx", (unsigned long long)read->pa);
	story_step(&story, "read", read->event, read->time_ns, "%s", read->what);
	story_step(&story, "written", event, time_ns, "word %u of it", word - read->first);
	story_tell(detector, &story);
}

/* A word of a line was changed: reads of its entry in the same update were torn. */
static void judge_reads(struct detector *detector, struct line_state *line, unsigned word,
			uint64_t event, uint64_t time_ns)
{
	struct walks *walks = detector->walks;

	for (uint32_t i = 0; i < walks->n_reads && line->reads;) {
		struct torn_read *read = &walks->reads[i];
		bool of_entry = read->line == line->number && word >= read->first &&
				word < (unsigned)read->first + read->n;
		bool one_update = read->epoch == walks->epoch &&
				  time_ns - read->written_ns <= detector->machine->run.update_limit;

		if (!of_entry) {
			i++;
			continue;
		}
		/* written before the read too: a new update begins here */
		if (one_update && !(read->fresh >> word & 1))
			tell_torn(detector, read, word, event, time_ns);
		forget_read(walks, i);
	}
}

void walks_written(void *self, pa_t pa, uint64_t event, uint64_t time_ns)
{
	struct detector *detector = self;
	struct walks *walks = walks_of(detector);
	unsigned word = (unsigned)(pa / 8 % (LINE / 8));
	struct line_state *line = walks ? make_line(walks, pa / LINE + 1, time_ns,
						    detector->machine->run.update_limit)
					: NULL;

	if (!line) {
		detector_fails(detector, "writes to entries");
		return;
	}
	if (line->reads)
		judge_reads(detector, line, word, event, time_ns);
	line->words[word] = (struct word_state){ event, time_ns, walks->epoch };
}

static bool add_read(struct walks *walks, const struct torn_read *read)
{
	if (walks->n_reads == walks->max_reads) {
		uint32_t max = walks->max_reads ? walks->max_reads * 2 : 16;
		struct torn_read *reads = realloc(walks->reads, max * sizeof *reads);

		if (!reads)
			return false;
		walks->reads = reads;
		walks->max_reads = max;
	}
	walks->reads[walks->n_reads++] = *read;
	return true;
}

/* Drops reads whose update cannot go on any more. */
static void forget_old(struct walks *walks, uint64_t now, uint64_t limit)
{
	for (uint32_t i = walks->n_reads; i-- > 0;)
		if (walks->reads[i].epoch != walks->epoch ||
		    now - walks->reads[i].written_ns > limit)
			forget_read(walks, i);
}

void walks_entry_read(void *self, const struct entry_read *entry)
{
	struct detector *detector = self;
	const struct dma_request *request = entry->request;
	uint64_t limit = detector->machine->run.update_limit;
	struct walks *walks = detector->walks;
	struct line_state *line =
		walks && walks->n_buckets ? find_line(walks, entry->pa / LINE + 1) : NULL;
	struct torn_read read = { .pa = entry->pa,
				  .line = entry->pa / LINE + 1,
				  .what = entry->what,
				  .event = entry->event,
				  .time_ns = request->time_ns,
				  .iova = request->iova,
				  .bytes = request->len,
				  .write = request->access & ACCESS_WRITE,
				  .first = (uint8_t)(entry->pa / 8 % (LINE / 8)),
				  .n = (uint8_t)entry->words };

	if (!line || !line->number)
		return;
	for (unsigned i = read.first; i < (unsigned)read.first + read.n; i++) {
		const struct word_state *word = &line->words[i];

		if (!is_recent(walks, word, request->time_ns, limit))
			continue;
		read.fresh |= (uint8_t)(1u << i);
		if (word->time_ns >= read.written_ns) {
			read.written_ns = word->time_ns;
			read.written_event = word->event;
		}
	}
	if (!read.fresh)
		return;
	forget_old(walks, request->time_ns, limit);
	read.epoch = walks->epoch;
	read.device = replay_device(detector->replay, replay_unit_at_hand(detector->replay),
				    request->device)
			      ->number;
	if (!add_read(walks, &read))
		detector_fails(detector, "reads of entries");
	else
		line->reads++;
}

void walks_config_flushed(struct detector *detector)
{
	if (detector->walks)
		detector->walks->epoch++;
}

void walks_destroy(struct detector *detector)
{
	if (!detector->walks)
		return;
	free(detector->walks->lines);
	free(detector->walks->reads);
	free(detector->walks);
}

/* ---- run-inconsistent ---------------------------------------------------------------------- */

void walks_run(void *self, const struct run_report *report)
{
	struct detector *detector = self;
	const struct cached_copy *copy = report->filled;
	const struct domain *domain = replay_domain_of_space(detector->replay, copy->space);
	struct story story;

	story_begin(&story, FINDING_RUN_INCONSISTENT, 0, report->event, report->request->time_ns);
	name_device(detector, story.finding.device,
		    replay_device(detector->replay, replay_unit_at_hand(detector->replay),
				  report->request->device)
			    ->number);
	if (domain)
		name_domain(detector, story.finding.domain, domain->number);
	story.finding.iova = copy->first;
	story.finding.bytes = copy->last - copy->first + 1;
	story.finding.pa = copy->pa;
	story.finding.count = report->disagree;
	story.finding.write = report->request->access & ACCESS_WRITE;
	snprintf(story.finding.structure, sizeof story.finding.structure, "%s",
		 detector->machine->model->structure_name(copy->structure, copy->level));
	snprintf(story.finding.detail, sizeof story.finding.detail,
		 "%u of %u members do not continue the one that was walked, as 0x%llx at 0x%llx",
		 report->disagree, report->members, (unsigned long long)report->other_raw,
		 (unsigned long long)report->other);
	story_step(&story, "walked", report->event, report->request->time_ns,
		   "0x%llx at 0x%llx supplied the copy", (unsigned long long)report->walked_raw,
		   (unsigned long long)report->walked);
	story_tell(detector, &story);
}
