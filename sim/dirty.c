/*
 * Dirty tracking: `dirty` events as the driver carries them out (drivers 9.1). `on` clears every dirty bit,
 * then switches the bits on; `read` reports the leaves that are dirty and clears their bits, unless
 * clear=no. A policy that flushes by itself flushes what was cleared (dirty_flush). Tables of a domain
 * with root= are cleared by the recording's own words.
 *
 * Leaves out: splitting superpages for tracking and merging them again; such events change nothing.
 */
#include <stdlib.h>

#include "sim/replay_private.h"

/* A leaf that is dirty. */
struct dirty_leaf {
	iova_t first, last;
	pa_t word;
	uint64_t raw;
};

struct dirty_search {
	const struct memory *memory;
	const struct pt_format *format;
	iova_t first, last;
	uint64_t words; /* that may still be looked at: hostile tables point to each other */
	int (*visit)(void *ctx, const struct dirty_leaf *leaf);
	void *ctx;
};

enum { TOO_MANY = 1 };

/* TOO_MANY, or what a visit said other than 0: the search ended early. */
static int search_table(struct dirty_search *search, pa_t table, unsigned level, iova_t base)
{
	const struct pt_format *format = search->format;
	const struct frame *frame = memory_frame(search->memory, table);
	unsigned lg2 = format->granule_lg2 + format->index_bits * level;

	if (search->words < 1u << format->index_bits)
		return TOO_MANY;
	search->words -= 1u << format->index_bits;
	for (unsigned i = 0; frame && frame->nonzero && i < 1u << format->index_bits; i++) {
		struct dirty_leaf leaf = { .first = base + ((iova_t)i << lg2),
					   .word = table + i * 8ull,
					   .raw = frame_word(frame, i) };
		struct pt_entry entry;
		int answer = 0;

		leaf.last = leaf.first + low_mask(lg2);
		if (!leaf.raw || leaf.last < search->first || leaf.first > search->last)
			continue;
		entry = format->decode(leaf.raw, level);
		if (entry.kind == PT_LEAF && leaf.raw & format->dirty)
			answer = search->visit(search->ctx, &leaf);
		else if (entry.kind == PT_TABLE && level)
			answer = search_table(search, entry.addr, level - 1, leaf.first);
		if (answer)
			return answer;
	}
	return 0;
}

static struct dirty_search search_of(const struct replay *replay, iova_t first, iova_t last)
{
	struct iommu *iommu = replay->units[0].iommu;

	return (struct dirty_search){ .memory = replay->memory,
				      .format = iommu->model->format(iommu),
				      .first = first,
				      .last = last,
				      .words = replay->machine->run.table_words };
}

struct page_visit {
	void (*visit)(void *ctx, iova_t first, iova_t last);
	void *ctx;
};

static int visit_page(void *ctx, const struct dirty_leaf *leaf)
{
	const struct page_visit *page = ctx;

	page->visit(page->ctx, leaf->first, leaf->last);
	return 0;
}

void replay_dirty_pages(const struct replay *replay, const struct domain *domain, iova_t first,
			iova_t last, void (*visit)(void *ctx, iova_t first, iova_t last), void *ctx)
{
	struct dirty_search search = search_of(replay, first, last);
	struct page_visit page = { visit, ctx };

	search.visit = visit_page;
	search.ctx = &page;
	search_table(&search, domain->root, domain->levels - 1, 0);
}

struct reading {
	struct replay *replay;
	const struct domain *domain;
	bool report, clear, any, failed;
	iova_t first, last; /* of what was cleared */
	struct err *err;
};

/* The bit is cleared in place: the table that is being searched stays as it is otherwise. */
static int read_leaf(void *ctx, const struct dirty_leaf *leaf)
{
	struct reading *reading = ctx;
	struct replay *replay = reading->replay;
	struct iommu *iommu = replay->units[0].iommu;

	if (reading->report)
		replay->observer->dirty_page(replay->observer->self, reading->domain, leaf->first,
					     leaf->last);
	if (!reading->clear)
		return 0;
	if (!reading->any)
		reading->first = leaf->first;
	reading->last = leaf->last;
	reading->any = true;
	reading->failed =
		words_store(replay, leaf->word, 1, leaf->raw & ~iommu->model->format(iommu)->dirty,
			    0, reading->err) != 0;
	return reading->failed ? -1 : 0;
}

static int read_range(struct reading *reading, iova_t first, iova_t last)
{
	struct dirty_search search = search_of(reading->replay, first, last);

	search.visit = read_leaf;
	search.ctx = reading;
	if (search_table(&search, reading->domain->root, reading->domain->levels - 1, 0) !=
	    TOO_MANY)
		return reading->failed ? -1 : 0;
	return replay_error(reading->replay, ERR_LIMIT, reading->err,
			    "reads more than %llu table words; limits.table_words allows no more",
			    (unsigned long long)reading->replay->machine->run.table_words);
}

static int flush_cleared(struct replay *replay, const struct reading *reading, struct err *err)
{
	struct invalidation scope = { .what = INVAL_RANGE,
				      .tag = reading->domain->tag,
				      .pasid = NO_PASID,
				      .first = reading->first,
				      .last = reading->last,
				      .leaf = true,
				      .drain = true };
	uint32_t number;

	if (!reading->any || !replay->policy_invals ||
	    replay->machine->run.dirty_flush == DIRTY_FLUSH_NONE)
		return 0;
	return inval_issue(replay, reading->domain, &scope, &number, err);
}

/* Cached translations know nothing of dirty bits, or of those that were cleared. */
static int flush_domain(struct replay *replay, const struct domain *domain, struct err *err)
{
	struct invalidation scope = { .what = INVAL_DOMAIN,
				      .tag = domain->tag,
				      .pasid = NO_PASID,
				      .last = UINT64_MAX,
				      .drain = true };
	uint32_t number;

	if (!replay->policy_invals)
		return 0;
	return inval_issue(replay, domain, &scope, &number, err);
}

static int switch_tracking(struct replay *replay, struct domain *domain, bool on, struct err *err)
{
	struct reading clearing = { .replay = replay, .domain = domain, .clear = true, .err = err };
	bool able = false;

	if (on && !domain->raw && read_range(&clearing, 0, UINT64_MAX))
		return -1;
	if (setup_dirty(replay, domain, on, &able, err))
		return -1;
	domain->tracked = on && able;
	if (on && !able)
		replay->count.no_dirty_bits++;
	return able ? flush_domain(replay, domain, err) : 0;
}

int dirty_event(struct replay *replay, const struct event *event, struct err *err)
{
	struct domain *domain = setup_domain(replay, event, err);
	uint64_t size =
		event_has(event, DIRTY_SIZE) ? event_value(replay->batch, event, DIRTY_SIZE) : 0;
	struct dirty_step step = { .domain = domain,
				   .verb = (enum dirty_verb)event_verb(event),
				   .first = size ? event->addr : 0,
				   .last = size ? event->addr + (size - 1) : UINT64_MAX,
				   .clears = !event_has(event, DIRTY_CLEAR),
				   .event = replay->event,
				   .time_ns = replay->now_ns };
	struct reading reading = {
		.replay = replay, .domain = domain, .report = true, .clear = step.clears, .err = err
	};

	if (!domain)
		return -1;
	if ((step.verb == DIRTY_VERB_ON || step.verb == DIRTY_VERB_OFF) &&
	    switch_tracking(replay, domain, step.verb == DIRTY_VERB_ON, err))
		return -1;
	replay->observer->dirty_step(replay->observer->self, &step);
	if (step.verb != DIRTY_VERB_READ || !domain->tracked)
		return 0;
	reading.clear &= !domain->raw;
	if (read_range(&reading, step.first, step.last))
		return -1;
	return flush_cleared(replay, &reading, err);
}
