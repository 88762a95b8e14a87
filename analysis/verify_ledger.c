/* What is mapped, what was replaced and what was taken beyond the request, as flat lists. */
#include <stdlib.h>

#include "analysis/verify_private.h"

/* Input that an update other than an unmap took something away from, until it is there again. */
struct replaced {
	uint32_t domain;
	iova_t first, last;
	uint64_t event;
	pa_t pa;
	unsigned lost;
};

struct gap_at {
	uint32_t domain;
	iova_t iova;
	uint64_t event, time_ns, removed;
};

struct beyond { /* of one unmap */
	uint32_t domain;
	iova_t first, last, asked_first, asked_last;
	struct finding finding;
};

static bool is_beyond(const struct beyond *rest, uint32_t domain, iova_t first, iova_t last)
{
	return rest->domain == domain && rest->first <= last && rest->last >= first &&
	       !(first >= rest->asked_first && last <= rest->asked_last);
}

/* Takes [first, last] of a domain out of a list of stretches; what is left stays in it. */
#define CUT(verifier, list, type, of, from, to)                                                    \
	for (size_t i_ = 0; i_ < (list)->n;) {                                                     \
		type rest_ = *LIST_AT(list, type, i_), *more_;                                     \
		if (rest_.domain != (of) || rest_.first > (to) || rest_.last < (from)) {           \
			i_++;                                                                      \
			continue;                                                                  \
		}                                                                                  \
		*LIST_AT(list, type, i_) = *LIST_AT(list, type, --(list)->n);                      \
		if (rest_.first < (from) && (more_ = list_add(list, sizeof rest_))) {              \
			*more_ = rest_;                                                            \
			more_->last = (from)-1;                                                    \
		}                                                                                  \
		if (rest_.last > (to) && (more_ = list_add(list, sizeof rest_))) {                 \
			*more_ = rest_;                                                            \
			more_->pa += (to) + 1 - rest_.first;                                       \
			more_->first = (to) + 1;                                                   \
		}                                                                                  \
	}

static void remember_beyond(struct verifier *verifier, const struct removal *removal)
{
	uint64_t bytes = removal->last - removal->first + 1;
	struct beyond *last =
		verifier->rests.n ? LIST_AT(&verifier->rests, struct beyond, verifier->rests.n - 1)
				  : NULL;

	if (last && last->finding.event == removal->event) {
		last->finding.bytes += bytes;
		if (removal->last > last->last)
			last->last = removal->last;
		return;
	}
	last = list_add(&verifier->rests, sizeof *last);
	if (!last) {
		verify_fails(verifier);
		return;
	}
	*last = (struct beyond){
		removal->domain->number,
		removal->first,
		removal->last,
		removal->asked_first,
		removal->asked_last,
		finding_at(FINDING_OVER_UNMAP, 0, removal->event, removal->time_ns)
	};
	last->finding.iova = removal->first;
	last->finding.bytes = bytes;
}

void ledger_removed(struct verifier *verifier, const struct removal *removal)
{
	uint32_t domain = removal->domain->number;
	struct replaced *put;

	if (removal->beyond)
		remember_beyond(verifier, removal);
	if (removal->cause != REMOVED_BY_PROTECT) /* that leaves the page mapped */
		CUT(verifier, &verifier->mappings, struct mapping, domain, removal->first,
		    removal->last)
	CUT(verifier, &verifier->replaced, struct replaced, domain, removal->first, removal->last)
	if (removal->cause == REMOVED_BY_UNMAP)
		return;
	put = list_add(&verifier->replaced, sizeof *put);
	if (!put) {
		verify_fails(verifier);
		return;
	}
	*put = (struct replaced){ domain,	  removal->first, removal->last,
				  removal->event, removal->pa,	  removal->lost };
}

static void gaps_mapped(struct verifier *verifier, const struct domain *domain, iova_t first,
			iova_t last, uint64_t time_ns)
{
	uint64_t limit = replay_machine(verifier->replay)->run.gap_limit;
	size_t kept = 0;

	for (size_t i = 0; i < verifier->gaps.n; i++) {
		struct gap_at gap = *LIST_AT(&verifier->gaps, struct gap_at, i);
		struct finding finding = finding_at(FINDING_GAP_FAULT, 0, gap.event, gap.time_ns);

		if (time_ns - gap.time_ns > limit)
			continue;
		if (gap.domain != domain->number || gap.iova < first || gap.iova > last) {
			*LIST_AT(&verifier->gaps, struct gap_at, kept++) = gap;
			continue;
		}
		finding.iova = gap.iova;
		finding.lag_ns = time_ns - gap.time_ns;
		finding.uncertain = verify_lost_since(
			verifier, gap.removed < gap.event ? gap.removed : gap.event);
		derive(verifier, &finding);
	}
	verifier->gaps.n = kept;
}

/* Served again: what was taken away is there, or the address has a translation of another update. */
static void replaced_mapped(struct verifier *verifier, uint32_t domain, iova_t first, iova_t last,
			    unsigned perm)
{
	for (size_t i = 0; i < verifier->replaced.n;) {
		const struct replaced *held = LIST_AT(&verifier->replaced, struct replaced, i);
		iova_t from = held->first > first ? held->first : first;
		iova_t to = held->last < last ? held->last : last;

		if (held->domain != domain || held->first > last || held->last < first ||
		    (perm & held->lost) != held->lost) {
			i++;
			continue;
		}
		CUT(verifier, &verifier->replaced, struct replaced, domain, from, to)
		i = 0;
	}
}

void ledger_mapped(struct verifier *verifier, const struct domain *domain, iova_t first,
		   iova_t last, pa_t pa, unsigned perm, uint64_t event, uint64_t time_ns)
{
	struct mapping *put;
	size_t kept = 0;

	gaps_mapped(verifier, domain, first, last, time_ns);
	replaced_mapped(verifier, domain->number, first, last, perm);
	for (size_t i = 0; i < verifier->rests.n; i++) { /* mapped again: no fault is its doing */
		struct beyond *rest = LIST_AT(&verifier->rests, struct beyond, i);

		if (is_beyond(rest, domain->number, first, last))
			derive(verifier, &rest->finding);
		else
			*LIST_AT(&verifier->rests, struct beyond, kept++) = *rest;
	}
	verifier->rests.n = kept;
	CUT(verifier, &verifier->mappings, struct mapping, domain->number, first, last)
	put = list_add(&verifier->mappings, sizeof *put);
	if (put)
		*put = (struct mapping){ domain->number, first, last, pa, event };
	else
		verify_fails(verifier);
}

void ledger_returned(struct verifier *verifier, const struct domain *domain, iova_t first,
		     iova_t last)
{
	size_t kept = 0;

	for (size_t i = 0; i < verifier->gaps.n; i++) {
		const struct gap_at *gap = LIST_AT(&verifier->gaps, struct gap_at, i);

		if (gap->domain != domain->number || gap->iova < first || gap->iova > last)
			*LIST_AT(&verifier->gaps, struct gap_at, kept++) = *gap;
	}
	verifier->gaps.n = kept;
}

/* A request faulted for want of a translation or a right. */
void ledger_refused(struct verifier *verifier, uint64_t event, const struct dma_request *request,
		    uint32_t domain)
{
	const struct replaced *newest = NULL;
	struct gap_at *gap;

	for (size_t i = 0; i < verifier->rests.n; i++) {
		struct beyond *rest = LIST_AT(&verifier->rests, struct beyond, i);

		if (is_beyond(rest, domain, request->iova, request->iova))
			rest->finding.count++;
	}
	for (size_t i = 0; i < verifier->replaced.n; i++) {
		const struct replaced *held = LIST_AT(&verifier->replaced, struct replaced, i);

		if (held->domain == domain && request->iova >= held->first &&
		    request->iova <= held->last && (!newest || held->event > newest->event))
			newest = held;
	}
	gap = newest ? list_add(&verifier->gaps, sizeof *gap) : NULL;
	if (gap)
		*gap = (struct gap_at){ domain, request->iova, event, request->time_ns,
					newest->event };
}

/* One finding for each domain that still maps some of what is freed. */
static void freed_while_mapped(struct verifier *verifier, pa_t first, pa_t last, uint64_t event,
			       uint64_t time_ns)
{
	uint32_t n = names_count(replay_names(verifier->replay), NAMES_DOMAINS);

	for (uint32_t domain = 0; domain < n; domain++) {
		struct finding finding = finding_at(FINDING_FREE_MAPPED, 0, event, time_ns);
		uint64_t since = event;

		for (size_t i = 0; i < verifier->mappings.n; i++) {
			const struct mapping *mapping =
				LIST_AT(&verifier->mappings, struct mapping, i);
			pa_t end = mapping->pa + (mapping->last - mapping->first), from, to;

			if (mapping->domain != domain || mapping->pa > last || end < first)
				continue;
			from = mapping->pa > first ? mapping->pa : first;
			to = end < last ? end : last;
			finding.bytes += to - from + 1;
			if (from < finding.pa ||
			    (from == finding.pa &&
			     mapping->first + (from - mapping->pa) < finding.iova)) {
				finding.pa = from;
				finding.iova = mapping->first + (from - mapping->pa);
			}
			since = mapping->event < since ? mapping->event : since;
		}
		finding.uncertain = verify_lost_since(verifier, since);
		if (finding.bytes)
			derive(verifier, &finding);
	}
}

void ledger_owner(struct verifier *verifier, pa_t first, pa_t last, enum owner_state state,
		  uint64_t event, uint64_t time_ns)
{
	if (state == OWNER_FREE)
		freed_while_mapped(verifier, first, last, event, time_ns);
}

void ledger_finish(struct verifier *verifier)
{
	for (size_t i = 0; i < verifier->rests.n; i++)
		derive(verifier, &LIST_AT(&verifier->rests, struct beyond, i)->finding);
}
