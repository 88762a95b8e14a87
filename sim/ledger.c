/* The ledger of a domain: what updates take out of it and put into it, and who hears of it (rules R6). */
#include "sim/replay_private.h"

/* What tables grant that are told to grant this: some cannot say "write alone". */
static unsigned granted(const struct domain *domain, unsigned perm)
{
	return perm ? domain->format->decode(domain->format->leaf(0, perm, 0), 0).perm & TLB_PERM
		    : 0;
}

static inline void tell(struct removing *removing, const struct imap_entry *piece)
{
	const struct replay *replay = removing->replay;
	struct removal *told = &removing->told;
	pa_t pa = piece->value[LEDGER_PA];
	unsigned had = (unsigned)piece->value[LEDGER_PERM] & TLB_PERM, lost = had, taken = lost;

	if (removing->same_target ||
	    (removing->has_target && pa - piece->first == removing->pa - removing->iova)) {
		lost &= ~removing->kept;
		taken = lost & ~granted(told->domain, had & removing->kept);
	}
	if (!lost)
		return;
	removing->any = true;
	told->first = piece->first;
	told->last = piece->last;
	told->pa = pa;
	told->lost = (uint8_t)lost;
	told->taken = (uint8_t)taken;
	told->beyond = piece->first < told->asked_first || piece->last > told->asked_last;
	told->mapped = piece->value[LEDGER_EVENT];
	told->owner = owners_of(replay, told->domain, pa);
	replay->observer->removed(replay->observer->self, told);
}

void ledger_tell(struct removing *removing, const struct imap_entry *piece)
{
	tell(removing, piece);
}

static inline void gone(struct removing *removing, const struct imap_entry *piece)
{
	tell(removing, piece);
	owners_unmapped(removing->replay, removing->told.domain, piece->first, piece->last,
			piece->value[LEDGER_PA]);
}

static int cut_piece(void *ctx, const struct imap_entry *piece)
{
	gone(ctx, piece);
	return 0;
}

void ledger_begin(struct removing *removing, struct replay *replay, const struct domain *domain,
		  enum removal_cause cause, const struct event *event)
{
	struct removal *told = &removing->told;

	removing->replay = replay;
	removing->kept = 0;
	removing->same_target = removing->has_target = removing->any = false;
	told->domain = domain;
	told->cause = cause;
	told->event = replay->event;
	told->time_ns = replay->now_ns;
	told->seq = ++replay->seq;
	told->asked_first = 0;
	told->asked_last = UINT64_MAX;
	told->inferred = event && event_class(event) == CLASS_INFERRED;
}

int ledger_remove(struct removing *removing, iova_t first, iova_t last, struct err *err)
{
	struct imap *ledger = removing->told.domain->ledger;
	struct imap_entry *entry = imap_first_in(ledger, first, last);

	if (!entry)
		return 0;
	if (entry->first == first &&
	    entry->last == last) { /* the usual one: just what was mapped */
		gone(removing, entry);
		imap_erase(ledger, entry);
		return 0;
	}
	if (imap_cut(ledger, first, last, cut_piece, removing))
		return err_no_memory(err, "the ledger of mappings");
	return 0;
}

int ledger_add(struct replay *replay, struct domain *domain, iova_t first, iova_t last, pa_t pa,
	       unsigned perm, struct err *err)
{
	if (ledger_fill(replay, domain, imap_insert(domain->ledger, first, last), pa, perm, err))
		return -1;
	replay->observer->mapped(replay->observer->self, domain, first, last, pa, perm,
				 replay->event, replay->now_ns);
	return 0;
}
