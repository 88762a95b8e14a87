/* Raw words (root=): the words themselves say what is mapped. */
#include <stdlib.h>

#include "sim/replay_private.h"

struct segment {
	iova_t first, last;
	pa_t pa;
	unsigned perm;
};
struct segments {
	struct segment *items;
	size_t n, max;
};

static int add_segment(struct segments *segments, struct segment add)
{
	struct segment *prior = segments->n ? &segments->items[segments->n - 1] : NULL;

	if (prior && prior->last + 1 == add.first && prior->perm == add.perm &&
	    prior->pa + (add.first - prior->first) == add.pa) {
		prior->last = add.last;
		return 0;
	}
	if (segments->n == segments->max) {
		size_t max = segments->max ? segments->max * 2 : 16;
		struct segment *items = realloc(segments->items, max * sizeof *items);

		if (!items)
			return -1;
		segments->items = items;
		segments->max = max;
	}
	segments->items[segments->n++] = add;
	return 0;
}

/* The translations that an entry of `level` at input `first` stands for. */
static int entry_segments(const struct replay *replay, const struct pt_format *format, uint64_t raw,
			  unsigned level, iova_t first, unsigned perm, struct segments *segments)
{
	struct pt_entry entry = format->decode(raw, level);
	unsigned lg2 = format->granule_lg2 + format->index_bits * level;
	const struct frame *table;

	if (entry.kind == PT_LEAF)
		return add_segment(segments, (struct segment){ first, first + low_mask(lg2),
							       entry.addr, perm & entry.perm });
	if (entry.kind != PT_TABLE || level == 0)
		return 0;
	table = memory_frame(replay->memory, entry.addr);
	for (unsigned i = 0; table && table->nonzero && i < 1u << format->index_bits; i++) {
		iova_t at = first + ((iova_t)i << (lg2 - format->index_bits));

		if (frame_word(table, i) &&
		    entry_segments(replay, format, frame_word(table, i), level - 1, at,
				   perm & entry.perm, segments))
			return -1;
	}
	return 0;
}

/* The ledger of one domain after a word: what stays, what goes, what comes. */
static int raw_ledger(struct replay *replay, struct domain *domain,
		      const struct table_change *change, const struct segments *segments,
		      struct err *err)
{
	struct removing removing;
	iova_t at = change->first;

	ledger_begin(&removing, replay, domain, REMOVED_BY_WRITE, NULL);
	for (size_t i = 0; i < segments->n; i++) {
		const struct segment *segment = &segments->items[i];

		removing.has_target = false;
		removing.kept = 0;
		if (segment->first > at && ledger_remove(&removing, at, segment->first - 1, err))
			return -1;
		removing.has_target = true;
		removing.kept = segment->perm;
		removing.iova = segment->first;
		removing.pa = segment->pa;
		if (ledger_remove(&removing, segment->first, segment->last, err))
			return -1;
		at = segment->last + 1;
	}
	removing.has_target = false;
	removing.kept = 0;
	return at <= change->last && (segments->n == 0 || at)
		       ? ledger_remove(&removing, at, change->last, err)
		       : 0;
}

/* Where the word lies in a table of a domain: ledger first, so that windows exist, then caches. */
static int raw_change(struct replay *replay, const struct table_change *change, bool before,
		      struct err *err)
{
	uint32_t number =
		change->space < replay->n_spaces ? replay->space_domain[change->space] : NAME_NONE;
	struct domain *domain = number != NAME_NONE ? replay->domains[number] : NULL;
	struct segments segments = { 0 };
	int answer;

	if (!domain || change->configuration)
		return 0;
	if (entry_segments(replay, domain->format, change->now, change->level, change->first,
			   TLB_PERM, &segments)) {
		free(segments.items);
		return err_no_memory(err, "a table's translations");
	}
	if (before && replay->n_held)
		held_touched(replay, domain, change->first, change->last);
	answer = before ? raw_ledger(replay, domain, change, &segments, err) : 0;
	if (!before && !answer && domain->asked)
		answer = rights_written(replay, domain, change->first, change->last, err);
	for (size_t i = 0; !before && !answer && i < segments.n; i++)
		answer = ledger_add(replay, domain, segments.items[i].first, segments.items[i].last,
				    segments.items[i].pa, segments.items[i].perm, err);
	free(segments.items);
	return answer;
}

/* Entries of several words are written word by word; those of translations are one word each. */
static void tell_written(struct replay *replay, pa_t pa, uint64_t old, uint64_t value)
{
	const struct frame *frame = memory_frame(replay->memory, pa);
	const struct table_role *role = frame ? frame->node.role : NULL;

	if (old != value && replay->observer->word_written && (!role || role->configuration))
		replay->observer->word_written(replay->observer->self, pa, replay->event,
					       replay->now_ns);
}

int update_write(struct replay *replay, const struct event *event, struct err *err)
{
	pa_t pa = event->addr;
	uint64_t value = event_value(replay->batch, event, WRITE_VALUE);
	struct table_change *where;
	uint64_t old = 0;
	uint32_t n;
	int answer = 0;

	if (pa & 7)
		return replay_error(replay, ERR_INPUT, err,
				    "pa=0x%llx: expected a multiple of 8, one 64-bit word",
				    (unsigned long long)pa);
	if (!memory_exists(replay->memory, pa) || pa >= replay->table_area)
		return replay_error(replay, ERR_INPUT, err,
				    "pa=0x%llx: expected an address below 0x%llx",
				    (unsigned long long)pa, (unsigned long long)replay->table_area);
	if (tables_where(replay->tables, pa, value, err))
		return -1;
	n = replay->tables->n_changes;
	where = malloc((n + 1) * sizeof *where);
	if (!where)
		return err_no_memory(err, "a list of changes");
	for (uint32_t i = 0; i < n; i++)
		where[i] = replay->tables->changes[i];
	memory_read(replay->memory, pa, &old);
	for (uint32_t i = 0; i < n && !answer; i++)
		answer = raw_change(replay, &where[i], true, err);
	if (!answer)
		answer = words_recorded(replay, pa, value, err);
	for (uint32_t i = 0; i < n && !answer; i++)
		answer = raw_change(replay, &where[i], false, err);
	free(where);
	if (!answer)
		tell_written(replay, pa, old, value);
	return answer;
}
