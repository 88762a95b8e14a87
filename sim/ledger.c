/* The ledger of a domain: what updates take out of it and put into it, and who hears of it (rules R6). */
#include "sim/replay_private.h"

/* What tables grant that are told to grant this: some cannot say "write alone". */
static unsigned granted(const struct domain *domain, unsigned perm)
{
	return perm ? domain->format->decode(domain->format->leaf(0, perm, 0), 0).perm & TLB_PERM
		    : 0;
}

void ledger_tell(struct removing *removing, const struct imap_entry *piece)
{
	struct replay *replay = removing->replay;
	pa_t pa = piece->value[LEDGER_PA];
	unsigned had = (unsigned)piece->value[LEDGER_PERM] & TLB_PERM, lost = had, taken = lost;

	if (removing->same_target ||
	    (removing->has_target && pa - piece->first == removing->pa - removing->iova)) {
		lost &= ~removing->kept;
		taken = lost & ~granted(removing->domain, had & removing->kept);
	}
	if (!lost)
		return;
	removing->any = true;
	replay->observer->removed(
		replay->observer->self,
		&(struct removal){ .domain = removing->domain,
				   .cause = removing->cause,
				   .event = replay->event,
				   .time_ns = replay->now_ns,
				   .seq = removing->seq,
				   .first = piece->first,
				   .last = piece->last,
				   .pa = pa,
				   .lost = (uint8_t)lost,
				   .taken = (uint8_t)taken,
				   .beyond = piece->first < removing->asked_first ||
					     piece->last > removing->asked_last,
				   .asked_first = removing->asked_first,
				   .asked_last = removing->asked_last,
				   .mapped = piece->value[LEDGER_EVENT],
				   .owner = owners_of(replay, removing->domain, pa),
				   .inferred = removing->inferred });
}

static int cut_piece(void *ctx, const struct imap_entry *piece)
{
	struct removing *removing = ctx;

	ledger_tell(removing, piece);
	owners_unmapped(removing->replay, removing->domain, piece->first, piece->last,
			piece->value[LEDGER_PA]);
	return 0;
}

void ledger_begin(struct removing *removing, struct replay *replay, struct domain *domain,
		  enum removal_cause cause, const struct event *event)
{
	*removing = (struct removing){ .replay = replay,
				       .domain = domain,
				       .cause = cause,
				       .inferred = event && event_class(event) == CLASS_INFERRED,
				       .seq = ++replay->seq,
				       .asked_last = UINT64_MAX };
}

int ledger_remove(struct removing *removing, iova_t first, iova_t last, struct err *err)
{
	if (imap_cut(removing->domain->ledger, first, last, cut_piece, removing))
		return err_no_memory(err, "the ledger of mappings");
	return 0;
}

int ledger_add(struct replay *replay, struct domain *domain, iova_t first, iova_t last, pa_t pa,
	       unsigned perm, struct err *err)
{
	struct imap_entry *entry = imap_insert(domain->ledger, first, last);

	if (!entry)
		return err_no_memory(err, "the ledger of mappings");
	entry->value[LEDGER_PA] = pa;
	entry->value[LEDGER_PERM] = perm;
	entry->value[LEDGER_EVENT] = replay->event;
	if (owners_mapped(replay, domain, first, last, pa))
		return err_no_memory(err, "the reverse ledger");
	replay->observer->mapped(replay->observer->self, domain, first, last, pa, perm,
				 replay->event, replay->now_ns);
	return 0;
}
