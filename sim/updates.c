/*
 * Updates: the ledger says what an event removes or narrows (rules R6), the driver's table code
 * writes the words, the policy decides on invalidations and on when table pages go back.
 */
#include "sim/replay_private.h"

static bool linux_policy(const struct replay *replay)
{
	return replay->machine->run.policy != POLICY_RECORDED;
}

/* Why an input range is refused. */
static __attribute__((noinline, cold)) int refuse_range(const struct replay *replay,
							const struct domain *domain, iova_t first,
							uint64_t size, iova_t *last,
							struct err *err)
{
	unsigned granule = domain->format->granule_lg2;

	if ((first | size) & page_mask(granule))
		return replay_error(replay, ERR_INPUT, err,
				    "iova=0x%llx size=0x%llx: expected a multiple of %lluK pages",
				    (unsigned long long)first, (unsigned long long)size,
				    1ull << (granule - 10));
	if (*last > domain->highest)
		return replay_error(
			replay, ERR_INPUT, err,
			"iova 0x%llx is beyond the %u address bits of this machine's tables; "
			"choose a deeper table (vtd.levels_5) or another model",
			(unsigned long long)*last, log2_floor(domain->highest) + 1);
	return replay_error(replay, ERR_LIMIT, err,
			    "would write up to %llu table words; limits.table_words is %llu",
			    (unsigned long long)writer_words(domain, first, *last),
			    (unsigned long long)replay->machine->run.table_words);
}

/* An event's input range, checked against the domain's width and the granule. */
static inline int range_of(const struct replay *replay, const struct domain *domain, iova_t first,
			   uint64_t size, iova_t *last, struct err *err)
{
	*last = first + (size - 1);
	if (((first | size) & domain->page) || *last > domain->highest ||
	    writer_words(domain, first, *last) > replay->machine->run.table_words)
		return refuse_range(replay, domain, first, size, last, err);
	return 0;
}

static __attribute__((noinline, cold)) int
refuse_target(const struct replay *replay, const struct domain *domain, pa_t pa, struct err *err)
{
	unsigned granule = domain->format->granule_lg2;

	return replay_error(replay, ERR_INPUT, err,
			    "pa=0x%llx: expected a %lluK page below 0x%llx, where this machine "
			    "keeps its own tables",
			    (unsigned long long)pa, 1ull << (granule - 10),
			    (unsigned long long)replay->table_area);
}

/* Where a mapping leads. */
static inline int target_of(const struct replay *replay, const struct domain *domain, pa_t pa,
			    uint64_t size, struct err *err)
{
	pa_t last = pa + (size - 1);

	if ((pa & domain->page) || last < pa || last >= replay->table_area)
		return refuse_target(replay, domain, pa, err);
	return 0;
}

static int cut_touched(void *ctx, const struct imap_entry *piece)
{
	(void)ctx;
	(void)piece;
	return 0;
}

/* Once answers are compared: what the recording itself mapped or unmapped, and when (R10). */
static __attribute__((noinline)) int note_touched(struct replay *replay, struct domain *domain,
						  iova_t first, iova_t last, struct err *err)
{
	struct imap_entry *entry = NULL;

	if (!imap_cut(domain->touched, first, last, cut_touched, NULL))
		entry = imap_insert(domain->touched, first, last);
	if (!entry)
		return err_no_memory(err, "the ledger of touched pages");
	entry->value[0] = replay->now_ns;
	/* the importer moved the event to put cause before effect */
	entry->value[1] = (replay->event_flags & EVENT_FLAG_CLAMPED) != 0;
	answers_touched(replay, domain, first, last);
	return 0;
}

static inline int touch(struct replay *replay, struct domain *domain, iova_t first, iova_t last,
			struct err *err)
{
	if (replay->n_held)
		held_touched(replay, domain, first, last);
	return domain->touched ? note_touched(replay, domain, first, last, err) : 0;
}

/* Not-present to present under caching mode: a page-selective flush (drivers 4.3). */
static __attribute__((noinline)) int flush_on_map(struct replay *replay,
						  const struct domain *domain, iova_t first,
						  iova_t last, struct err *err)
{
	struct invalidation scope;
	uint32_t number;

	scope = (struct invalidation){ .what = INVAL_RANGE,
				       .tag = domain->tag,
				       .pasid = NO_PASID,
				       .first = first,
				       .last = last,
				       .leaf = true,
				       .drain = true };
	return inval_issue(replay, domain, &scope, &number, err);
}

/* drivers 4.2, `superpage_span=overrun`: entries behind a superpage part are cleared too. */
static __attribute__((noinline)) int clear_overrun(struct replay *replay, struct domain *domain,
						   const struct event *event, iova_t last,
						   struct write_outcome *outcome, struct err *err)
{
	iova_t end = last | low_mask(21);
	struct removing removing;

	if (last == end || last - event->addr < low_mask(21))
		return 0;
	ledger_begin(&removing, replay, domain, REMOVED_BY_MAP, event);
	removing.told.asked_first = event->addr;
	removing.told.asked_last = last;
	return ledger_remove(&removing, last + 1, end, err) ||
	       writer_unmap(replay, domain, last + 1, end, &replay->rules, outcome, err);
}

/* What the map replaces, but for what leads to the same pages as before. */
static __attribute__((noinline)) int map_over(struct replay *replay, struct domain *domain,
					      const struct event *event, iova_t last, pa_t pa,
					      unsigned perm, struct err *err)
{
	struct removing removing;

	ledger_begin(&removing, replay, domain, REMOVED_BY_MAP, event);
	removing.kept = perm;
	removing.has_target = true;
	removing.iova = event->addr;
	removing.pa = pa;
	return ledger_remove(&removing, event->addr, last, err);
}

int update_map(struct replay *replay, const struct event *event, struct err *err)
{
	struct domain *domain = setup_domain(replay, event, err);
	uint64_t pa = event_required(replay->batch, event, MAP_PA, MAP_PA);
	uint64_t size = event_required(replay->batch, event, MAP_SIZE, MAP_PA);
	unsigned perm = (unsigned)event_required(replay->batch, event, MAP_PERM, MAP_PA);
	const struct write_rules *rules = &replay->rules;
	struct write_rules capped;
	struct write_outcome outcome = { 0 };
	struct imap_entry *entry;
	iova_t last;
	bool live;

	if (!domain || range_of(replay, domain, event->addr, size, &last, err) ||
	    target_of(replay, domain, pa, size, err))
		return -1;
	replay->count.maps++;
	if (event_has(event, MAP_PAGE)) {
		capped = *rules;
		capped.cap_lg2 = log2_floor(event_value(replay->batch, event, MAP_PAGE) | 1);
		rules = &capped;
	}
	if (domain->raw)
		return rights_said(replay, domain, event->addr, last, pa, perm, err);
	if (touch(replay, domain, event->addr, last, err))
		return -1;
	/* Linux leaves live leaves as they are, and the old mapping with them. */
	entry = imap_claim(domain->ledger, event->addr, last, &live);
	if (live && linux_policy(replay)) {
		replay->count.refused_maps++;
		rights_refused(replay, domain, event->addr, last, pa, perm);
		return 0;
	}
	if (!live) {
		replay->seq++; /* a step all the same */
	} else {
		if (map_over(replay, domain, event, last, pa, perm, err))
			return -1;
		entry = imap_insert(domain->ledger, event->addr, last);
	}
	if (ledger_fill(replay, domain, entry, pa, perm, err) ||
	    (replay->machine->run.superpage_span == SPAN_OVERRUN &&
	     clear_overrun(replay, domain, event, last, &outcome, err)) ||
	    writer_map(replay, domain, event->addr, pa, last, perm, rules, &outcome, err))
		return -1;
	replay->observer->mapped(replay->observer->self, domain, event->addr, last, pa, perm,
				 replay->event, replay->now_ns);
	writer_free_tables(replay, outcome.freed);
	return replay->policy_invals && replay->caching_mode && replay->machine->run.cm_flush_on_map
		       ? flush_on_map(replay, domain, event->addr, last, err)
		       : 0;
}

/* linux-strict (drivers 3.2): I over the gathers, D, tables back, then the call returns. */
static int strict_unmap(struct replay *replay, struct domain *domain, iova_t first, iova_t last,
			const struct gather_list *list, struct freed_table *freed, struct err *err)
{
	const struct run_config *run = &replay->machine->run;
	struct invalidation scope = { .what = INVAL_RANGE,
				      .tag = domain->tag,
				      .pasid = NO_PASID,
				      .leaf = !freed || run->ih_when_tables_freed,
				      .drain = true };
	uint32_t number = NO_INVAL;
	struct awaiting *awaiting;

	if (run->free_tables == FREE_BEFORE) {
		writer_free_tables(replay, freed);
		freed = NULL;
	}
	for (size_t i = 0; i < list->n; i++) {
		if (gather_block(&list->items[i], run, &scope.first, &scope.last) &&
		    inval_issue(replay, domain, &scope, &number, err))
			return -1;
	}
	if (number == NO_INVAL) { /* no device, nothing to wait for */
		writer_free_tables(replay, freed);
		replay->observer->unmap_returned(replay->observer->self, domain, first, last,
						 replay->now_ns);
		return 0;
	}
	awaiting = inval_await(replay, number);
	awaiting->free = freed;
	awaiting->returns = true;
	awaiting->ret_domain = domain->number;
	awaiting->ret_first = first;
	awaiting->ret_last = last;
	return 0;
}

/*
 * The driver's gather of the range, leaf by leaf, read before the words go. A gather that is
 * synced in the middle flushes before later leaves are cleared in the driver; here all leaves are
 * cleared first. It covers no more than it names, which is what matters.
 */
static int collect(struct replay *replay, const struct domain *domain, iova_t first, iova_t last,
		   struct gather_list *list, struct err *err)
{
	iova_t at = first, leaf_first, leaf_last;

	for (;;) {
		if (writer_leaf(replay, domain, at, &leaf_first, &leaf_last) &&
		    gather_add_page(list, leaf_first, leaf_last - leaf_first + 1, err))
			return -1;
		if (leaf_last >= last)
			return 0;
		at = leaf_last + 1;
	}
}

/* linux-strict and linux-lazy: what follows the cleared leaves (drivers 3.2, 3.3). */
static __attribute__((noinline)) int policy_unmap(struct replay *replay, struct domain *domain,
						  iova_t first, iova_t last, struct err *err)
{
	bool lazy = replay->lazy;
	struct write_outcome outcome = { 0 };
	struct gather_list list = { 0 };
	int answer = -1;

	if (replay->policy_invals && !lazy && collect(replay, domain, first, last, &list, err))
		goto out;
	if (writer_unmap(replay, domain, first, last, &replay->rules, &outcome, err))
		goto out;
	if (!replay->policy_invals) {
		writer_free_tables(replay, outcome.freed);
		answer = 0;
	} else if (lazy) {
		if (replay->machine->run.free_tables == FREE_BEFORE) {
			writer_free_tables(replay, outcome.freed);
			outcome.freed = NULL;
		}
		answer = fq_unmapped(replay, domain, first, last, outcome.freed, err);
	} else {
		if (outcome.emptied &&
		    replay->machine->run.keep_empty_tables == KEEP_EMPTY_WIDENED &&
		    gather_widen(&list, outcome.emptied_first, outcome.emptied_last, err))
			goto out;
		answer = strict_unmap(replay, domain, first, last, &list, outcome.freed, err);
	}
out:
	gather_list_free(&list);
	return answer;
}

int update_unmap(struct replay *replay, const struct event *event, struct err *err)
{
	struct domain *domain = setup_domain(replay, event, err);
	uint64_t size = event_required(replay->batch, event, UNMAP_SIZE, UNMAP_SIZE);
	const struct write_rules *rules = &replay->rules;
	struct removing removing;
	iova_t first, last, edge_first, edge_last;

	if (!domain || range_of(replay, domain, event->addr, size, &last, err))
		return -1;
	replay->count.unmaps++;
	first = event->addr;
	if (domain->raw)
		return rights_said(replay, domain, first, last, 0, 0, err);
	ledger_begin(&removing, replay, domain, REMOVED_BY_UNMAP, event);
	removing.told.asked_first = first;
	removing.told.asked_last = last;
	if (event_has(event, UNMAP_DONE) && event_value(replay->batch, event, UNMAP_DONE)) {
		uint64_t page = domain->page;
		uint64_t done = (event_value(replay->batch, event, UNMAP_DONE) + page) & ~page;

		if (done - 1 <= domain->highest - first)
			last = first + done - 1; /* more or less than asked, as recorded */
	}
	if (rules->widen) {
		if (writer_leaf(replay, domain, last, &edge_first, &edge_last) && edge_last > last)
			last = edge_last;
		if (writer_leaf(replay, domain, first, &edge_first, &edge_last) &&
		    edge_first < first)
			first = edge_first;
	}
	/* what lies beyond the request is told apart from what was asked for */
	if ((first < removing.told.asked_first || last > removing.told.asked_last) &&
	    imap_isolate(domain->ledger, removing.told.asked_first, removing.told.asked_last))
		return err_no_memory(err, "the ledger of mappings");
	if (touch(replay, domain, first, last, err) || answers_gone(domain, first, last, err) ||
	    ledger_remove(&removing, first, last, err))
		return -1;
	if (linux_policy(replay)) {
		replay->cpu = event_has(event, FIELD_CPU)
				      ? (uint32_t)event_value(replay->batch, event, FIELD_CPU)
				      : 0;
		return policy_unmap(replay, domain, first, last, err);
	}
	if (writer_unmap(replay, domain, first, last, rules, &(struct write_outcome){ 0 }, err))
		return -1;
	replay->observer->unmap_returned(replay->observer->self, domain, first, last,
					 replay->now_ns);
	return 0;
}

int update_protect(struct replay *replay, const struct event *event, struct err *err)
{
	struct domain *domain = setup_domain(replay, event, err);
	uint64_t size = event_value(replay->batch, event, PROTECT_SIZE);
	unsigned perm = (unsigned)event_value(replay->batch, event, PROTECT_PERM);
	struct removing removing;
	struct imap_entry *entry;
	iova_t last;

	if (!domain || range_of(replay, domain, event->addr, size, &last, err))
		return -1;
	if (domain->raw)
		return rights_narrowed(replay, domain, event->addr, last, perm, err);
	ledger_begin(&removing, replay, domain, REMOVED_BY_PROTECT, event);
	removing.kept = perm;
	removing.same_target = true;
	if (touch(replay, domain, event->addr, last, err))
		return -1;
	if (imap_isolate(domain->ledger, event->addr, last))
		return err_no_memory(err, "the ledger of mappings");
	for (entry = imap_first_in(domain->ledger, event->addr, last);
	     entry && entry->first <= last; entry = imap_next(domain->ledger, entry))
		ledger_tell(&removing, entry);
	if (writer_protect(replay, domain, event->addr, last, perm, &replay->rules,
			   &(struct write_outcome){ 0 }, err))
		return -1;
	for (entry = imap_first_in(domain->ledger, event->addr, last);
	     entry && entry->first <= last; entry = imap_next(domain->ledger, entry)) {
		entry->value[LEDGER_PERM] = perm;
		replay->observer->mapped(replay->observer->self, domain, entry->first, entry->last,
					 entry->value[LEDGER_PA], perm, replay->event,
					 replay->now_ns);
	}
	return 0;
}

/* The flush of a hypervisor that makes its own: where something was there before (drivers 5.2). */
static int flush_p2m(struct replay *replay, const struct domain *domain, iova_t first, iova_t last,
		     struct err *err)
{
	struct invalidation scope = { .what = INVAL_RANGE,
				      .tag = domain->tag,
				      .pasid = NO_PASID,
				      .first = first,
				      .last = last,
				      .drain = true };
	uint32_t number;

	if (!replay->policy_invals)
		return 0;
	return inval_issue(replay, domain, &scope, &number, err);
}

/* One logical update of 2^order pages: to a frame with the rights of its type, or to nothing. A live
 * entry is replaced in one write, tables stay allocated. */
int update_p2m(struct replay *replay, const struct event *event, struct err *err)
{
	struct domain *domain = setup_domain(replay, event, err);
	uint64_t order = event_value(replay->batch, event, P2M_ORDER);
	uint64_t mfn = event_value(replay->batch, event, P2M_MFN);
	const char *type =
		names_text(replay->names, (uint32_t)event_value(replay->batch, event, P2M_TYPE));
	unsigned perm = mfn == UINT64_MAX ? 0 : p2m_rights(type);
	struct write_rules rules = { 0 };
	struct write_outcome outcome = { 0 };
	struct removing removing;
	uint64_t size;
	iova_t first = event->addr << 12, last;

	if (order > 40 || event->addr >> 52 || (perm && mfn >> 52))
		return replay_error(
			replay, ERR_INPUT, err,
			"gfn=0x%llx order=%llu: expected frame numbers below 2^52 and an "
			"order of at most 40",
			(unsigned long long)event->addr, (unsigned long long)order);
	size = 4096ull << order;
	if (!domain || range_of(replay, domain, first, size, &last, err) ||
	    (perm && target_of(replay, domain, mfn << 12, size, err)))
		return -1;
	replay->count.p2m++;
	if (domain->raw)
		return rights_said(replay, domain, first, last, mfn << 12, perm, err);
	ledger_begin(&removing, replay, domain, REMOVED_BY_P2M, event);
	removing.kept = perm;
	removing.has_target = perm != 0;
	removing.iova = first;
	removing.pa = mfn << 12;
	if (touch(replay, domain, first, last, err) || answers_gone(domain, first, last, err) ||
	    ledger_remove(&removing, first, last, err))
		return -1;
	if (perm &&
	    (writer_map(replay, domain, first, mfn << 12, last, perm, &rules, &outcome, err) ||
	     ledger_add(replay, domain, first, last, mfn << 12, perm, err)))
		return -1;
	if (!perm && writer_unmap(replay, domain, first, last, &rules, &outcome, err))
		return -1;
	return removing.any ? flush_p2m(replay, domain, first, last, err) : 0;
}

/* A page that the recording never touched takes its first answer as start state (R10). */
int update_adopt(struct replay *replay, struct domain *domain, iova_t iova, pa_t pa,
		 struct err *err)
{
	struct write_rules rules = { .cap_lg2 = domain->format->granule_lg2 };
	uint64_t page = domain->page;
	iova_t first = iova & ~page, last = first + page;

	if (writer_map(replay, domain, first, pa & ~page, last, TLB_READ | TLB_WRITE, &rules,
		       &(struct write_outcome){ 0 }, err))
		return -1;
	return ledger_add(replay, domain, first, last, pa & ~page, TLB_READ | TLB_WRITE, err);
}
