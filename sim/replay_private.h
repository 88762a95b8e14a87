/* The parts of a replay among themselves. */
#ifndef IOMMUSIM_SIM_REPLAY_PRIVATE_H
#define IOMMUSIM_SIM_REPLAY_PRIVATE_H

#include "sim/replay.h"
#include "traces/event_check.h"

/* ---- clock.c: the model's own events --------------------------------------------------- */

enum action_kind {
	ACTION_INVAL_EXECUTE, /* an issued invalidation executes, and completes or drains */
	ACTION_INVAL_DRAINED, /* the DMAs that it waited for have reached memory: it completes */
	ACTION_FQ_TIMER,      /* linux-lazy: timer of a domain's flush queue */
	ACTION_RIGHTS,	      /* tables of a domain have had time to follow what was said */
	ACTION_FAULT_HANDLER, /* the fault interrupt has reached its handler */
	ACTION_PAGE_HANDLER,  /* the page request interrupt has, or a batch is through */
	ACTION_PAGE_SERVED,   /* one request of its batch is through */
	ACTION_DMA_RETRY,     /* a held DMA of a device is tried again */
	ACTION_STALL_SERVED,  /* one stalled transaction of a unit is through the handler */
};
struct action {
	uint64_t time_ns, order; /* at equal times in order of scheduling */
	enum action_kind kind;
	uint32_t subject; /* number of the inval, domain or unit */
};
struct clock {
	struct action *heap;
	size_t n, max;
	uint64_t order;
};
/* Among others. -1: no memory. */
int clock_put(struct clock *clock, uint64_t time_ns, enum action_kind kind, uint32_t subject);
static inline int clock_schedule(struct clock *clock, uint64_t time_ns, enum action_kind kind,
				 uint32_t subject)
{
	if (clock->n || !clock->max)
		return clock_put(clock, time_ns, kind, subject);
	clock->heap[clock->n++] = (struct action){ time_ns, clock->order++, kind, subject };
	return 0;
}
/* When the first of them is due; false: there is none. */
static inline bool clock_next(const struct clock *clock, uint64_t *time_ns)
{
	if (!clock->n)
		return false;
	*time_ns = clock->heap[0].time_ns;
	return true;
}
/* The first one has been taken, others are left. */
void clock_settle(struct clock *clock);
static inline struct action clock_take(struct clock *clock)
{
	struct action first = clock->heap[0];

	if (--clock->n)
		clock_settle(clock);
	return first;
}

/* ---- invalidations on their way --------------------------------------------------------- */

/* A table page whose release waits for a flush. */
struct freed_table {
	pa_t pa;
	struct freed_table *next;
};

enum { NO_INVAL = UINT32_MAX };

/* What waits for D of an invalidation. */
struct awaiting {
	struct freed_table *free; /* given back */
	uint32_t fq_domain;	  /* a whole-domain flush of this domain's queue, or NAME_NONE */
	uint64_t fq_count;
	bool returns; /* the unmap call: */
	uint32_t ret_domain;
	iova_t ret_first, ret_last;
};

struct pending_inval {
	struct inval_op op;
	bool used;
	uint64_t id; /* recorded id= */
	bool has_id;
	bool times_out; /* the device does not answer in time */
	bool waits;	/* executed; complete once the device TLBs issued before it have answered */
	bool awaited;	/* something waits for it: */
	struct awaiting awaiting;
};

/* ---- linux-lazy flush queue, one per domain ---------------------------------------------- */

struct fq_entry {
	iova_t first, last;
	uint64_t counter;
	struct freed_table *free;
};
struct fq_ring {
	struct fq_entry *entries;
	uint32_t head, tail;
	struct fq_entry *held; /* unmaps that wait for the flush that the first one caused */
	uint32_t n_held, max_held;
};
struct flush_queue {
	uint64_t start, finish; /* flushes begun and finished */
	bool timer_on;
	uint64_t timer_flush; /* the flush that the timer began last */
	struct fq_ring *rings;
};

/* What an agent number of the recording resolves to. */
enum { UNIT_UNKNOWN = UINT32_MAX };
struct agent_target {
	uint32_t unit; /* UNIT_UNKNOWN: not resolved yet */
	uint32_t device, handle, pasid;
};

enum { DMA_RUN = 256 }; /* DMAs given to a model at once; they stay in the nearest cache */

struct points;

/* What a driver's table code does. */
struct write_rules {
	bool refuse_live; /* intel-classic: a live leaf stays ("already set") */
	bool free_tables; /* tables wholly inside an unmapped range go */
	bool free_empty;  /* and tables that an unmap leaves empty */
	bool widen;	  /* a superpage hit partly goes as a whole, else it is split */
	unsigned cap_lg2; /* largest page; 0: none */
};

struct replay {
	struct points *points; /* of a world; NULL: this replay has IOMMUs of its own alone */
	const struct machine *machine;
	const struct replay_observer *observer;
	const struct iommu_observer *caches;
	const struct names *names;
	struct event_source *source; /* of the batch at hand, for error texts */
	const struct event_batch *batch;
	struct event_plan plans[EVENT_KINDS];
	struct memory *memory;
	struct tables *tables;
	pa_t table_area, next_table; /* policy-built tables lie from here on */
	struct unit *units;
	uint32_t n_units, unit_at_hand;
	struct domain **domains; /* by number */
	uint32_t n_domains;
	struct device **devices;
	uint32_t n_devices;
	uint32_t **handles; /* per unit: device number by handle */
	uint32_t n_handle_lists;
	struct agent_target *agents;
	uint32_t **
		plain_handles; /* per unit: handle by agent, NO_DEVICE: not its own, or with a PASID */
	uint32_t n_plain_units;
	uint32_t n_agents;
	struct domain **agent_domains; /* of the agents that named one so far */
	uint32_t n_agent_domains;
	uint32_t *space_domain; /* domain number by space */
	uint32_t n_spaces;
	struct flush_queue **queues; /* by domain number */
	struct imap *owners;
	struct spans *reverse; /* physical -> mappings, once an owner event needs it */
	struct clock clock;
	struct pending_inval *pending;	   /* by number */
	uint32_t n_pending, spare_pending; /* spare: all below are used */
	uint32_t n_atc_pending;		   /* invalidations of device TLBs among them */
	struct freed_table *spare_freed;
	uint64_t now_ns, end_ns, event, seq, next_tag;
	uint64_t
		acted_ns; /* when something last happened that the end of the recording waits for */
	struct write_rules rules; /* of the policy */
	bool policy_invals, native_commands;
	bool lazy;	   /* the policy batches its flushes */
	bool caching_mode; /* of the units: what becomes present is flushed too */
	bool splitting;	   /* the words at hand are of a table that takes a superpage's place */
	bool stalls;	   /* some unit has held a transaction: there may be news of it */
	bool steps;	   /* something is looked at after each step */
	bool foreign; /* recorded on another kind of IOMMU: its commands and registers are not used */
	struct recorded_use use;
	uint32_t cpu; /* that the event at hand ran on */
	struct replay_counters count;
	uint8_t event_flags;	/* of the event at hand, or the last one before a DMA */
	bool has_answers, lost; /* lost: the recorder dropped events, last at lost_ns */
	uint64_t lost_ns;
	struct disagreement *doubts; /* that an update close in time may still explain */
	size_t n_doubts, max_doubts;
	struct held_dma *held;		      /* oldest first */
	uint32_t n_held, max_held, n_blocked; /* blocked: devices whose next DMA waits */
	uint64_t n_pages;		      /* that the page handler gave */
	bool artefact;
	const struct inval_op *executing; /* the invalidation at hand, or NULL */
	uint64_t order_limit;	/* order of the action at hand + 1; 0: a recorded event is */
	struct imap **answered; /* by device: pages of live mappings whose answers were compared */
	uint32_t n_answered;
	struct iommu *in_dma; /* translating now; its event names the request */
	uint64_t first_dma;
	const struct event *dmas; /* its run from that on; NULL: requests[0] is served alone */
	struct dma_request requests[DMA_RUN];
	struct dma_result results[DMA_RUN];
};

/* Number of an event of the batch at hand. */
static inline uint64_t replay_event_number(const struct replay *replay, const struct event *event)
{
	return replay->batch->first + (uint64_t)(event - replay->batch->events);
}

/* An error that names the event at hand: "file:12: ...". */
int replay_error(const struct replay *replay, enum err_code code, struct err *err,
		 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* setup.c */
int setup_declare(struct replay *replay, const struct event *event, struct err *err);
/* Dirty bits of the tables of every device of the domain. *able: there are such. */
int setup_dirty(struct replay *replay, const struct domain *domain, bool on, bool *able,
		struct err *err);
int setup_attach(struct replay *replay, const struct event *event, struct err *err);
int setup_detach(struct replay *replay, const struct event *event, struct err *err);
/* An invalidation is complete: domains that no device uses may be held by nobody any more. */
void setup_flushed(struct replay *replay, const struct inval_op *op);
struct unit *setup_unit(struct replay *replay, uint32_t number, struct err *err);
/* That there are any: else the implicit one. */
static inline int setup_units(struct replay *replay, struct err *err)
{
	return replay->n_units || setup_unit(replay, NAME_NONE, err) ? 0 : -1;
}
/* The domain that the event names, if an earlier one did too; else NULL. */
static inline struct domain *setup_known_domain(const struct replay *replay,
						const struct event *event)
{
	return event->agent < replay->n_agent_domains ? replay->agent_domains[event->agent] : NULL;
}
/* Whether it names one. */
static inline bool setup_names_domain(const struct replay *replay, const struct event *event)
{
	return setup_known_domain(replay, event) ||
	       (event->agent != EVENT_NO_AGENT &&
		names_agent_of(replay->names, event->agent).domain != NAME_NONE);
}
/* The one that it names; NULL: it was never declared. */
struct domain *setup_first_domain(struct replay *replay, const struct event *event,
				  struct err *err);
static inline struct domain *setup_domain(struct replay *replay, const struct event *event,
					  struct err *err)
{
	struct domain *known = setup_known_domain(replay, event);

	return known ? known : setup_first_domain(replay, event, err);
}
int setup_agent(struct replay *replay, uint32_t agent, struct err *err);

/* words.c: every table word that software writes goes through here. The driver's own are written back as
 * the setting `cw` says; recorded ones where the recording does. */
int words_store(struct replay *replay, pa_t pa, unsigned count, uint64_t base, uint64_t step,
		struct err *err);
int words_recorded(struct replay *replay, pa_t pa, uint64_t value, struct err *err);
/* `cache` and `line`: lines that reach memory. */
void words_line(struct replay *replay, const struct event *event);
/* Every unit hears what the store that was just made means for its caches. */
void words_tell_units(struct replay *replay);
/* Words of a frame that is known; what memory says of them is the caller's. */
static inline int words_put(struct replay *replay, struct frame *frame, unsigned index,
			    unsigned count, uint64_t base, uint64_t step, struct err *err)
{
	if (tables_store_in(replay->tables, frame, index, count, base, step, err))
		return -1;
	replay->count.words += count;
	if (replay->tables->n_changes)
		words_tell_units(replay);
	return 0;
}
/* words_store() in a frame that is known. */
int words_store_and_flush(struct replay *replay, struct frame *frame, unsigned index,
			  unsigned count, uint64_t base, uint64_t step, struct err *err);
static inline int words_store_in(struct replay *replay, struct frame *frame, unsigned index,
				 unsigned count, uint64_t base, uint64_t step, struct err *err)
{
	if (replay->memory->view) /* some unit does not snoop */
		return words_store_and_flush(replay, frame, index, count, base, step, err);
	return words_put(replay, frame, index, count, base, step, err);
}
pa_t words_new_table(struct replay *replay);

/* table_writer.c */
struct write_outcome {
	struct freed_table *freed; /* tables unlinked, not yet given back */
	uint64_t refused;	   /* leaves that were live */
	bool emptied;		   /* tables went that were covered in part; they span: */
	iova_t emptied_first, emptied_last;
};
int writer_map_range(struct replay *replay, struct domain *domain, iova_t iova, pa_t pa,
		     uint64_t last, unsigned perm, const struct write_rules *rules,
		     struct write_outcome *outcome, struct err *err);
int writer_unmap_range(struct replay *replay, struct domain *domain, iova_t first, iova_t last,
		       const struct write_rules *rules, struct write_outcome *outcome,
		       struct err *err);
/* The input that a frame of smallest pages covers, log2: a table may fill several frames. */
static inline unsigned writer_frame_lg2(const struct pt_format *format)
{
	return format->granule_lg2 + FRAME_LG2 - 3;
}
/* Where an entry of smallest pages stands in its frame. */
static inline unsigned writer_place(const struct pt_format *format, iova_t iova)
{
	return (unsigned)(iova >> format->granule_lg2) & (FRAME_WORDS - 1);
}
/*
 * The frame of smallest pages that holds iova's entry, if it is the one that was looked for last: neighbours
 * share it, and it is kept for as long as no table comes or goes. NULL: another one, or none.
 */
static inline struct frame *writer_same_table(const struct replay *replay,
					      const struct domain *domain, iova_t iova)
{
	return domain->last_table_shape == replay->tables->shape &&
			       iova - domain->last_table_first < domain->last_table_bytes
		       ? domain->last_table
		       : NULL;
}
static inline int writer_map(struct replay *replay, struct domain *domain, iova_t iova, pa_t pa,
			     uint64_t last, unsigned perm, const struct write_rules *rules,
			     struct write_outcome *outcome, struct err *err)
{
	const struct pt_format *format = domain->format;
	struct frame *table = writer_same_table(replay, domain, iova);

	/* the usual map: one of the smallest pages, whatever stands there */
	if (table && last - iova == domain->page && !rules->refuse_live)
		return words_store_in(replay, table, writer_place(format, iova), 1,
				      format->leaf(pa, perm, 0), 0, err);
	return writer_map_range(replay, domain, iova, pa, last, perm, rules, outcome, err);
}
static inline int writer_unmap(struct replay *replay, struct domain *domain, iova_t first,
			       iova_t last, const struct write_rules *rules,
			       struct write_outcome *outcome, struct err *err)
{
	struct frame *table = writer_same_table(replay, domain, first);

	/* the usual unmap: one of the smallest pages, so that no table goes and nothing is split */
	if (table && last - first == domain->page && !rules->free_empty)
		return words_store_in(replay, table, writer_place(domain->format, first), 1, 0, 0,
				      err);
	return writer_unmap_range(replay, domain, first, last, rules, outcome, err);
}
int writer_protect(struct replay *replay, struct domain *domain, iova_t first, iova_t last,
		   unsigned perm, const struct write_rules *rules, struct write_outcome *outcome,
		   struct err *err);
/* The range of the leaf at iova; false where there is none: the range that one entry leaves unmapped. */
bool writer_leaf(const struct replay *replay, const struct domain *domain, iova_t iova,
		 iova_t *first, iova_t *last);
/* Tables of the domain, but for its root, that say nothing: the driver has kept them. */
uint64_t writer_empty_tables(struct replay *replay, struct domain *domain);
/* At most how many words an update of the range writes, with the smallest pages. */
static inline uint64_t writer_words(const struct domain *domain, iova_t first, iova_t last)
{
	return (last - first) >> domain->format->granule_lg2;
}
/* Gives back what is on the list. */
void writer_free_list(struct replay *replay, struct freed_table *list);
static inline void writer_free_tables(struct replay *replay, struct freed_table *list)
{
	if (list)
		writer_free_list(replay, list);
}

/* ledger.c */
/* What an update takes from the ledger of a domain, and what it leaves in place. */
struct removing {
	struct replay *replay;
	struct removal
		told;  /* as it is said of every piece; what differs among them is set for each */
	unsigned kept; /* permission bits that stay when the target stays */
	bool same_target;
	bool has_target; /* iova now leads to pa */
	bool any;	 /* something was told */
	iova_t iova;
	pa_t pa;
};
/* A step in the order of updates. event: NULL, or the one that it is of. */
void ledger_begin(struct removing *removing, struct replay *replay, const struct domain *domain,
		  enum removal_cause cause, const struct event *event);
/* Tells of one piece of the ledger, minus what the update leaves in place. */
void ledger_tell(struct removing *removing, const struct imap_entry *piece);
/* Takes [first, last] out of the ledger and tells what was there. */
int ledger_remove(struct removing *removing, iova_t first, iova_t last, struct err *err);
/* [first, last], of which nothing is in the ledger, leads to pa now. */
int ledger_add(struct replay *replay, struct domain *domain, iova_t first, iova_t last, pa_t pa,
	       unsigned perm, struct err *err);

/* updates.c; recorded words: raw_words.c */
int update_map(struct replay *replay, const struct event *event, struct err *err);
int update_unmap(struct replay *replay, const struct event *event, struct err *err);
int update_protect(struct replay *replay, const struct event *event, struct err *err);
int update_p2m(struct replay *replay, const struct event *event, struct err *err);
int update_write(struct replay *replay, const struct event *event, struct err *err);
int update_adopt(struct replay *replay, struct domain *domain, iova_t iova, pa_t pa,
		 struct err *err);

/* p2m.c: what a type of the P2M lets devices do, TLB_READ and TLB_WRITE; 0: nothing. */
unsigned p2m_rights(const char *type);

/* dirty.c: dirty tracking */
int dirty_event(struct replay *replay, const struct event *event, struct err *err);

/* rights.c: tables against what events said that they are to grant */
int rights_said(struct replay *replay, struct domain *domain, iova_t first, iova_t last, pa_t pa,
		unsigned perm, struct err *err);
int rights_narrowed(struct replay *replay, struct domain *domain, iova_t first, iova_t last,
		    unsigned perm, struct err *err);
int rights_written(struct replay *replay, struct domain *domain, iova_t first, iova_t last,
		   struct err *err);
int rights_judge(struct replay *replay, uint32_t domain, struct err *err);
void rights_refused(struct replay *replay, const struct domain *domain, iova_t first, iova_t last,
		    pa_t pa, unsigned perm);

/* answers.c: what recorded hardware answered (rules R10) */
static inline bool dma_answered(const struct event *event)
{
	return event->present & (1u << DMA_PA | 1u << DMA_FAULT);
}
int answers_adopt(struct replay *replay, const struct event *event,
		  const struct agent_target *target, struct err *err);
/* Unmaps until answers are compared: what was once unmapped is not adopted later. */
int answers_note_gone(struct domain *domain, iova_t first, iova_t last, struct err *err);
static inline int answers_gone(struct domain *domain, iova_t first, iova_t last, struct err *err)
{
	if (!domain->before || domain->touched ||
	    (first >= domain->gone_first && last <= domain->gone_last))
		return 0;
	return answers_note_gone(domain, first, last, err);
}
void answers_compare(struct replay *replay, const struct event *event,
		     const struct dma_request *request, const struct dma_result *result,
		     const struct agent_target *target);
void answers_touched(struct replay *replay, const struct domain *domain, iova_t first, iova_t last);
void answers_finish(struct replay *replay);
void answers_destroy(struct replay *replay);

/* owners.c */
int owners_event(struct replay *replay, const struct event *event, struct err *err);
int owners_note_mapped(struct replay *replay, const struct domain *domain, iova_t first,
		       iova_t last, pa_t pa);
void owners_note_unmapped(struct replay *replay, const struct domain *domain, iova_t first,
			  iova_t last, pa_t pa);
static inline int owners_mapped(struct replay *replay, const struct domain *domain, iova_t first,
				iova_t last, pa_t pa)
{
	return replay->reverse ? owners_note_mapped(replay, domain, first, last, pa) : 0;
}
/* A new entry of the ledger, or NULL for want of memory: its range leads to pa. Nobody is told yet. */
static inline int ledger_fill(struct replay *replay, const struct domain *domain,
			      struct imap_entry *entry, pa_t pa, unsigned perm, struct err *err)
{
	if (!entry)
		return err_no_memory(err, "the ledger of mappings");
	entry->value[LEDGER_PA] = pa;
	entry->value[LEDGER_PERM] = perm;
	entry->value[LEDGER_EVENT] = replay->event;
	return owners_mapped(replay, domain, entry->first, entry->last, pa)
		       ? err_no_memory(err, "the reverse ledger")
		       : 0;
}
static inline void owners_unmapped(struct replay *replay, const struct domain *domain, iova_t first,
				   iova_t last, pa_t pa)
{
	if (replay->reverse)
		owners_note_unmapped(replay, domain, first, last, pa);
}
uint32_t owners_of(const struct replay *replay, const struct domain *domain, pa_t pa);

/* invals.c */
int inval_event(struct replay *replay, const struct event *event, struct err *err);
int inval_done_event(struct replay *replay, const struct event *event, struct err *err);
int inval_command(struct replay *replay, const struct event *event, struct err *err);
/* Issues on every unit of the domain; the last one's number, or NO_INVAL when there is no unit. */
int inval_issue(struct replay *replay, const struct domain *domain,
		const struct invalidation *scope, uint32_t *number, struct err *err);
/* What waits for D of that one, to be filled in: nothing yet, or what was there. */
struct awaiting *inval_await(struct replay *replay, uint32_t number);
int inval_execute(struct replay *replay, uint32_t number, struct err *err);
int inval_complete(struct replay *replay, uint32_t number, struct err *err);

/* held.c: DMAs that wait (rules R9) */
enum held_state {
	HELD_PAGE,    /* its page request has no answer yet */
	HELD_CREDIT,  /* the device has no credit to send one */
	HELD_STALLED, /* the unit holds it */
	HELD_RETRY,   /* on its way again */
	HELD_BEHIND,  /* not tried: too many of its device are held */
};
struct held_dma {
	enum held_state state;
	struct dma_request request;
	uint64_t number, event, since_ns; /* number: its own; since: of the wait at hand */
	uint32_t device, unit;
	uint16_t group;
	iova_t page; /* that was not granted */
	uint32_t tries;
	uint32_t behind; /* another device that was ahead of it, or NO_DEVICE */
	bool artefact;
	uint16_t fault;
	uint64_t stall; /* serial of it at the unit, or 0 */
	uint16_t tag;	/* HELD_STALLED: by which software knows it */
	bool held_back; /* without a record, since since_ns */
	bool known;	/* to the handler, which has not served it yet */
};
/* The DMA of this event waits from now on; NULL: no memory. Valid until the next is added or ends. */
struct held_dma *held_add(struct replay *replay, uint32_t device, uint64_t event,
			  const struct dma_request *request, enum held_state state);
struct held_dma *held_first(struct replay *replay, uint32_t device, enum held_state state);
struct held_dma *held_numbered(struct replay *replay, uint64_t number);
void held_tell(struct replay *replay, const struct held_dma *held, enum wait_end end);
/* It is over: served, or failed. */
void held_end(struct replay *replay, struct held_dma *held, const struct dma_result *result);
void held_fail(struct replay *replay, struct held_dma *held);
int held_try(struct replay *replay, struct held_dma *held, struct err *err);
int held_retry_in(struct replay *replay, struct held_dma *held, uint64_t delay_ns, struct err *err);
int held_retry(struct replay *replay, uint32_t device, struct err *err);
int held_start_behind(struct replay *replay, struct device *device, struct err *err);
/* Whether the DMA has to wait behind others of its device. */
int held_behind(struct replay *replay, const struct event *event, const struct dma_request *request,
		bool *waits, struct err *err);
/* A recorded update of these pages: what is held there meets other tables than at its time. */
void held_touched(struct replay *replay, const struct domain *domain, iova_t first, iova_t last);
/* What waits still when the recording ends is told, and forgotten. */
void held_unanswered(struct replay *replay);

/* stalls.c */
/* Whether a DMA of the recording waits where it stalls: not if the recording knows its answer. */
bool stalls_hold(const struct event *event);
/* What the unit has done with stalled transactions since it was last asked. */
int stalls_settle(struct replay *replay, uint32_t unit, struct err *err);
/* The held DMA was tried and has stalled. */
int stalls_again(struct replay *replay, struct held_dma *held, struct err *err);
/* The handler has read the fault queue; it is through with one. */
int stalls_read(struct replay *replay, uint32_t unit, struct err *err);
int stalls_served(struct replay *replay, uint32_t unit, struct err *err);
/* A recorded answer; again: it is to be tried again, else aborted. */
int stalls_respond(struct replay *replay, const struct device *device, const struct event *event,
		   bool again, struct err *err);

/* page_requests.c */
bool pages_may_hold(const struct replay *replay, const struct event *event,
		    const struct dma_result *result);
int pages_hold(struct replay *replay, const struct event *event, const struct dma_request *request,
	       const struct dma_result *result, struct err *err);
/* The page request of a held DMA, or the wait for a credit. */
int pages_ask_for(struct replay *replay, struct held_dma *held, struct err *err);
/* Has the page present, with the right asked for. False: there is none to be had. */
bool pages_make_present(struct replay *replay, struct device *device,
			const struct page_request *request, struct err *err, int *status);
int pages_handler(struct replay *replay, uint32_t unit, struct err *err);
int pages_served(struct replay *replay, uint32_t unit, struct err *err);
int pages_request_event(struct replay *replay, const struct event *event, struct err *err);
int pages_respond_event(struct replay *replay, const struct event *event, struct err *err);
int pages_command(struct replay *replay, uint32_t unit, const struct native_command *command,
		  struct err *err);
int pages_register(struct replay *replay, uint32_t unit, struct err *err);
void pages_unanswered(struct replay *replay);
void pages_free(struct replay *replay);
/* replay.c */
/* One of the model's own events happens. */
int replay_act(struct replay *replay, const struct action *action, struct err *err);
int replay_take_interrupt(struct replay *replay, uint32_t unit, uint64_t time_ns, struct err *err);

/* dmas.c */
/* The DMAs from event `begin` of the batch on that can go to the model at once; *done: how many. */
int dmas_run(struct replay *replay, const struct event_batch *batch, size_t begin, size_t *done,
	     struct err *err);
/* The unit that a DMA goes to; -1: its device was never declared. */
int dmas_unit(struct replay *replay, const struct event *event, uint32_t *unit, struct err *err);
/* One DMA at this time, outside of the recorded order. */
void dmas_one(struct replay *replay, uint32_t unit, const struct dma_request *request,
	      struct dma_result *result);

/* flush_queue.c */
int fq_unmapped(struct replay *replay, struct domain *domain, iova_t first, iova_t last,
		struct freed_table *free, struct err *err);
int fq_timer(struct replay *replay, uint32_t domain, struct err *err);
int fq_flushed(struct replay *replay, uint32_t domain, uint64_t count, struct err *err);
void fq_destroy(struct replay *replay, struct flush_queue *queue);

/* gather.c: drivers 3.5 */
struct gather {
	iova_t start, end; /* inclusive; start > end: empty */
	uint64_t pgsize;
};
/* The flushes of one unmap call, in order; a new one begins where the driver syncs. */
struct gather_list {
	struct gather *items;
	size_t n, max;
};
int gather_add_page(struct gather_list *list, iova_t iova, uint64_t size, struct err *err);
/* The last flush covers this range too. */
int gather_widen(struct gather_list *list, iova_t first, iova_t last, struct err *err);
void gather_list_free(struct gather_list *list);
/* The aligned block that a page-selective invalidation of the gather names; false: the driver finds no
 * page in it. */
bool gather_block(const struct gather *gather, const struct run_config *run, iova_t *first,
		  iova_t *last);

#endif
