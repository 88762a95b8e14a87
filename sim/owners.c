/* Who owns physical pages, and which mappings name them. */
#include <stdlib.h>

#include "sim/replay_private.h"
#include "sim/spans.h"

static int ignore(void *ctx, const struct imap_entry *piece)
{
	(void)ctx;
	(void)piece;
	return 0;
}

static int set_owner(struct replay *replay, pa_t first, pa_t last, uint32_t owner,
		     enum owner_state state, struct err *err)
{
	struct imap_entry *entry = NULL;

	if (!imap_cut(replay->owners, first, last, ignore, NULL))
		entry = imap_insert(replay->owners, first, last);
	if (!entry)
		return err_no_memory(err, "the ledger of owners");
	entry->value[OWNER_NAME] = owner;
	entry->value[OWNER_STATE] = state;
	entry->value[OWNER_EVENT] = replay->event;
	replay->observer->owner_changed(replay->observer->self, first, last, owner, state,
					replay->event, replay->now_ns);
	return 0;
}

/* The reverse ledger is built when the first owner event asks who maps a page. */
static int build_reverse(struct replay *replay, struct err *err)
{
	if (replay->reverse)
		return 0;
	if (spans_create(&replay->reverse))
		return err_no_memory(err, "the reverse ledger");
	for (uint32_t i = 0; i < replay->n_domains; i++) {
		struct imap_entry *entry =
			replay->domains[i]
				? imap_first_in(replay->domains[i]->ledger, 0, UINT64_MAX)
				: NULL;

		for (; entry; entry = imap_next(replay->domains[i]->ledger, entry))
			if (owners_mapped(replay, replay->domains[i], entry->first, entry->last,
					  entry->value[LEDGER_PA]))
				return err_no_memory(err, "the reverse ledger");
	}
	return 0;
}

int owners_note_mapped(struct replay *replay, const struct domain *domain, iova_t first,
		       iova_t last, pa_t pa)
{
	return spans_add(replay->reverse, pa, pa + (last - first), domain->number, first - pa);
}

void owners_note_unmapped(struct replay *replay, const struct domain *domain, iova_t first,
			  iova_t last, pa_t pa)
{
	spans_remove(replay->reverse, pa, pa + (last - first), domain->number, first - pa);
}

/* By events, else the owner of the domain that maps it (inferred). */
uint32_t owners_of(const struct replay *replay, const struct domain *domain, pa_t pa)
{
	const struct imap_entry *entry = imap_at(replay->owners, pa);

	if (entry && entry->value[OWNER_STATE] != OWNER_FREE)
		return (uint32_t)entry->value[OWNER_NAME];
	return domain->owner;
}

/* A table that recorded words built goes back with its page. */
static void free_table(void *ctx, struct frame *frame)
{
	struct replay *replay = ctx;

	if (!frame->node.role || frame->node.freed)
		return;
	tables_free(replay->tables, frame->pa, replay->event);
	replay->observer->table_freed(replay->observer->self, frame->pa, replay->event,
				      replay->now_ns);
}

/* A page that was a table before is a table again. */
static void reuse_table(void *ctx, struct frame *frame)
{
	struct replay *replay = ctx;

	tables_reused(replay->tables, frame->pa);
}

static bool allocates_tables(const struct replay *replay, const struct event *event)
{
	return event_has(event, ALLOC_USE) && event_value(replay->batch, event, ALLOC_USE) == 1;
}

int owners_event(struct replay *replay, const struct event *event, struct err *err)
{
	uint64_t size = event_value(replay->batch, event, FREE_SIZE);
	pa_t last = event->addr + (size - 1);

	if (last < event->addr)
		return replay_error(replay, ERR_INPUT, err,
				    "pa + size goes beyond the end of the address space");
	if (build_reverse(replay, err))
		return -1;
	switch (event->kind) {
	case EVENT_FREE:
		memory_visit(replay->memory, event->addr, last, free_table, replay);
		return set_owner(replay, event->addr, last, NAME_NONE, OWNER_FREE, err);
	case EVENT_ALLOC:
		if (allocates_tables(replay, event))
			memory_visit(replay->memory, event->addr, last, reuse_table, replay);
		return set_owner(replay, event->addr, last,
				 (uint32_t)event_value(replay->batch, event, ALLOC_OWNER),
				 allocates_tables(replay, event) ? OWNER_TABLE : OWNER_DATA, err);
	default:
		return set_owner(replay, event->addr, last,
				 (uint32_t)event_value(replay->batch, event, OWNER_TO), OWNER_DATA,
				 err);
	}
}

struct mapping_visit {
	struct replay *replay;
	void (*visit)(void *ctx, const struct domain *domain, const struct imap_entry *mapping);
	void *ctx;
	pa_t first, last;
};

/* One mapping of the physical stretch, as a piece of the domain's ledger. */
static void visit_mapping(void *ctx, uint64_t first, uint64_t last, uint32_t key, uint64_t data)
{
	struct mapping_visit *visit = ctx;
	const struct domain *domain = visit->replay->domains[key];
	struct imap_entry piece;

	first = first < visit->first ? visit->first : first;
	last = last > visit->last ? visit->last : last;
	piece.first = first + data;
	const struct imap_entry *held = imap_at(domain->ledger, piece.first);

	if (!held)
		return;
	piece = *held;
	piece.first = first + data;
	piece.last = last + data;
	piece.value[LEDGER_PA] = first;
	visit->visit(visit->ctx, domain, &piece);
}

void replay_mappings_of(struct replay *replay, pa_t first, pa_t last,
			void (*visit)(void *ctx, const struct domain *domain,
				      const struct imap_entry *mapping),
			void *ctx)
{
	struct mapping_visit each = { replay, visit, ctx, first, last };

	if (replay->reverse)
		spans_each(replay->reverse, first, last, visit_mapping, &each);
}
