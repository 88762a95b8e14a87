/*
 * Rights: what tables grant against what `map`, `unmap`, `protect` and `p2m` said. Where the replay's own
 * table code writes, they are one; not where a recording has both the words (a domain with root=) and
 * what was said, nor where a driver refuses a map over a live leaf.
 *
 * Software writes its words before or after the event is recorded, so the tables of a range are compared
 * limits.update after the last word or event that touched it.
 */
#include <stdlib.h>

#include "sim/replay_private.h"

static void split_asked(struct imap_entry *left, struct imap_entry *right)
{
	right->value[LEDGER_PA] += right->first - left->first;
}

/* The range is to be compared, limits.update from now. */
static int postpone(struct replay *replay, struct domain *domain, iova_t first, iova_t last,
		    struct err *err)
{
	bool waiting = imap_count(domain->unjudged) != 0;
	struct imap_entry *entry = NULL;

	if (!imap_cut(domain->unjudged, first, last, NULL, NULL))
		entry = imap_insert(domain->unjudged, first, last);
	if (!entry)
		return err_no_memory(err, "what tables are to grant");
	entry->value[0] = replay->now_ns;
	if (!waiting &&
	    clock_schedule(&replay->clock, replay->now_ns + replay->machine->run.update_limit,
			   ACTION_RIGHTS, domain->number))
		return err_no_memory(err, "the clock");
	return 0;
}

static int begin(struct domain *domain, struct err *err)
{
	if (domain->asked)
		return 0;
	if (imap_create(split_asked, &domain->asked) || imap_create(NULL, &domain->unjudged))
		return err_no_memory(err, "what tables are to grant");
	return 0;
}

/* [first, last] is to lead to pa with perm; perm 0: to nothing. */
int rights_said(struct replay *replay, struct domain *domain, iova_t first, iova_t last, pa_t pa,
		unsigned perm, struct err *err)
{
	struct imap_entry *entry = NULL;

	if (begin(domain, err))
		return -1;
	if (!imap_cut(domain->asked, first, last, NULL, NULL))
		entry = imap_insert(domain->asked, first, last);
	if (!entry)
		return err_no_memory(err, "what tables are to grant");
	entry->value[LEDGER_PA] = pa;
	entry->value[LEDGER_PERM] = perm;
	entry->value[LEDGER_EVENT] = replay->event;
	return postpone(replay, domain, first, last, err);
}

/* `protect`: what is to be there keeps its target. */
int rights_narrowed(struct replay *replay, struct domain *domain, iova_t first, iova_t last,
		    unsigned perm, struct err *err)
{
	struct imap_entry *entry;

	if (begin(domain, err))
		return -1;
	if (imap_isolate(domain->asked, first, last))
		return err_no_memory(err, "what tables are to grant");
	for (entry = imap_first_in(domain->asked, first, last); entry && entry->first <= last;
	     entry = imap_next(domain->asked, entry)) {
		if (!entry->value[LEDGER_PERM])
			continue;
		entry->value[LEDGER_PERM] = perm;
		entry->value[LEDGER_EVENT] = replay->event;
	}
	return postpone(replay, domain, first, last, err);
}

int rights_written(struct replay *replay, struct domain *domain, iova_t first, iova_t last,
		   struct err *err)
{
	return postpone(replay, domain, first, last, err);
}

static void tell(struct replay *replay, const struct domain *domain,
		 const struct imap_entry *mapping, iova_t first, iova_t last,
		 const struct imap_entry *asked)
{
	struct rights_excess excess = {
		.domain = domain,
		.first = first > mapping->first ? first : mapping->first,
		.last = last < mapping->last ? last : mapping->last,
		.granted = (unsigned)mapping->value[LEDGER_PERM] & TLB_PERM,
		.mapped = mapping->value[LEDGER_EVENT],
		.said = asked ? asked->value[LEDGER_EVENT] : NO_EVENT,
		.time_ns = replay->now_ns,
	};

	excess.pa = mapping->value[LEDGER_PA] + (excess.first - mapping->first);
	if (asked && asked->value[LEDGER_PERM] &&
	    asked->value[LEDGER_PA] + (excess.first - asked->first) == excess.pa)
		excess.asked = (unsigned)asked->value[LEDGER_PERM];
	if (excess.granted & ~excess.asked)
		replay->observer->rights_exceed(replay->observer->self, &excess);
}

/* One mapping of the tables, within [first, last]; ranges of which no event ever spoke were there before. */
static void judge_mapping(struct replay *replay, const struct domain *domain,
			  const struct imap_entry *mapping, iova_t first, iova_t last)
{
	struct imap_entry *asked;

	first = first > mapping->first ? first : mapping->first;
	last = last < mapping->last ? last : mapping->last;
	for (asked = imap_first_in(domain->asked, first, last); asked && asked->first <= last;
	     asked = imap_next(domain->asked, asked)) {
		if (asked->first > first)
			tell(replay, domain, mapping, first, asked->first - 1, NULL);
		tell(replay, domain, mapping, asked->first > first ? asked->first : first,
		     asked->last < last ? asked->last : last, asked);
		if (asked->last >= last)
			return;
		first = asked->last + 1;
	}
	tell(replay, domain, mapping, first, last, NULL);
}

struct judging {
	struct replay *replay;
	const struct domain *domain;
};

static int judge_range(void *ctx, const struct imap_entry *range)
{
	const struct judging *judging = ctx;
	struct imap *ledger = judging->domain->ledger;
	struct imap_entry *mapping = imap_first_in(ledger, range->first, range->last);

	for (; mapping && mapping->first <= range->last; mapping = imap_next(ledger, mapping))
		judge_mapping(judging->replay, judging->domain, mapping, range->first, range->last);
	return 0;
}

/* Those ranges that have waited long enough; what is left of the others waits on. */
int rights_judge(struct replay *replay, uint32_t number, struct err *err)
{
	struct domain *domain = replay->domains[number];
	uint64_t limit = replay->machine->run.update_limit, next = UINT64_MAX;
	struct imap_entry *range = imap_first_in(domain->unjudged, 0, UINT64_MAX);
	struct judging judging = { replay, domain };

	while (range) {
		struct imap_entry one = *range;
		uint64_t due = one.value[0] + limit;

		if (due > replay->now_ns) {
			next = due < next ? due : next;
		} else if (imap_cut(domain->unjudged, one.first, one.last, judge_range, &judging)) {
			return err_no_memory(err, "what tables are to grant");
		}
		range = one.last == UINT64_MAX
				? NULL
				: imap_first_in(domain->unjudged, one.last + 1, UINT64_MAX);
	}
	if (next != UINT64_MAX &&
	    clock_schedule(&replay->clock, next, ACTION_RIGHTS, domain->number))
		return err_no_memory(err, "the clock");
	return 0;
}

/* A driver left its live leaves alone: where they lead to the same pages with more rights. */
void rights_refused(struct replay *replay, const struct domain *domain, iova_t first, iova_t last,
		    pa_t pa, unsigned perm)
{
	struct imap_entry asked = { .first = first,
				    .last = last,
				    .value = { pa, perm, replay->event } };
	struct imap_entry *mapping = imap_first_in(domain->ledger, first, last);

	for (; mapping && mapping->first <= last; mapping = imap_next(domain->ledger, mapping)) {
		iova_t from = first > mapping->first ? first : mapping->first;

		if (mapping->value[LEDGER_PA] + (from - mapping->first) == pa + (from - first))
			tell(replay, domain, mapping, first, last, &asked);
	}
}
