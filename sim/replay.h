/*
 * One replay: the recorded events in order through a world and its IOMMUs, with the model's own
 * events (invalidation latency, flush-queue timers, fault handler) scheduled between them.
 *
 * The replay knows no findings. It tells what happened through struct replay_observer (updates,
 * invalidations, owners, results) and struct iommu_observer (caches, faults); analysis/ makes
 * findings of it.
 */
#ifndef IOMMUSIM_SIM_REPLAY_H
#define IOMMUSIM_SIM_REPLAY_H

#include "sim/world.h"

struct replay;

/* A recorded answer that the model does not give (rules R10). */
struct disagreement {
	uint64_t event;
	uint32_t domain, device; /* numbers; NAME_NONE: none */
	struct dma_request request;
	struct dma_result result; /* the model's */
	pa_t pa;		  /* recorded, or NO_PA: then it faulted */
	uint16_t fault;
};

/* How the wait for a page ended. Held back: its request could not be sent for want of a credit, or its stall
 * had no record for want of room. */
enum wait_end { WAIT_ANSWERED, WAIT_NEVER, WAIT_HELD_BACK, WAIT_HELD_NEVER };
struct page_wait {
	uint32_t device, domain, pasid; /* numbers */
	iova_t iova;
	bool write;
	uint64_t event, time_ns, end_ns;
	enum wait_end end;
	bool stalled;	 /* in the unit; else a page request */
	uint32_t behind; /* number of another device with requests ahead of it, or NO_DEVICE */
};

/* A range where tables grant more than an event said (update of the tables, or its refusal). */
struct rights_excess {
	const struct domain *domain;
	iova_t first, last;
	pa_t pa; /* that tables lead first to */
	unsigned granted,
		asked;	  /* permissions; asked 0: nothing was to be there, or another page */
	uint64_t mapped;  /* event that put it there */
	uint64_t said;	  /* event that said what there is to be, or NO_EVENT: none ever did */
	uint64_t time_ns; /* of the comparison */
};

/* A step of dirty tracking. */
struct dirty_step {
	const struct domain *domain;
	enum dirty_verb verb;
	iova_t first, last;
	bool clears; /* read: the bits that it reports */
	uint64_t event, time_ns;
};

struct replay_observer {
	void *self;
	/* Before the words are written: a piece of the ledger is removed or narrowed. */
	void (*removed)(void *self, const struct removal *removal);
	/* [first, last] now leads to pa with perm; after the words are written. */
	void (*mapped)(void *self, const struct domain *domain, iova_t first, iova_t last, pa_t pa,
		       unsigned perm, uint64_t event, uint64_t time_ns);
	/* An unmap call has returned to its caller (RET). */
	void (*unmap_returned)(void *self, const struct domain *domain, iova_t first, iova_t last,
			       uint64_t time_ns);
	void (*inval_issued)(void *self, const struct inval_op *op);
	/* X: copies in scope have just gone from the unit; report says how many. */
	void (*inval_executed)(void *self, const struct inval_op *op,
			       const struct inval_report *report);
	void (*inval_done)(void *self, const struct inval_op *op);
	/* Ownership of physical pages ends (state OWNER_FREE) or begins. */
	void (*owner_changed)(void *self, pa_t first, pa_t last, uint32_t owner,
			      enum owner_state state, uint64_t event, uint64_t time_ns);
	/* A policy gave back (or a recording freed) a table page. */
	void (*table_freed)(void *self, pa_t pa, uint64_t event, uint64_t time_ns);
	/* Results of DMAs that did not simply succeed, and of all when `every_result`. */
	void (*dma_done)(void *self, uint64_t event, const struct dma_request *request,
			 const struct dma_result *result, uint32_t device);
	bool every_result;
	/* --verify; all four are NULL otherwise. Before each request, which is then handed over
	 * alone and cut to one page; dma_verified follows for each. */
	void (*before_dma)(void *self, uint64_t event, const struct dma_request *page,
			   uint32_t unit);
	void (*dma_verified)(void *self, uint64_t event, const struct dma_request *page,
			     const struct dma_result *result, uint32_t unit);
	/* Software changed table words; the caches are told next. */
	void (*words_changed)(void *self, const struct table_change *changes, uint32_t n);
	/* A recorded event other than a DMA, or an event of the model's own, is worked off. */
	void (*stepped)(void *self);
	/* The fault handler ran: all records read and cleared. */
	void (*handler_ran)(void *self, uint32_t unit, uint64_t time_ns);
	void (*lost)(void *self, uint64_t event, uint64_t time_ns);
	void (*page_waited)(void *self, const struct page_wait *wait);
	/* Tables have not followed what was said within limits.update, or a map was refused. */
	void (*rights_exceed)(void *self, const struct rights_excess *excess);
	/* A read comes before the pages that it reports. */
	void (*dirty_step)(void *self, const struct dirty_step *step);
	void (*dirty_page)(void *self, const struct domain *domain, iova_t first, iova_t last);
	/* A recorded `write` changed a word that is not of a table of translations. */
	void (*word_written)(void *self, pa_t pa, uint64_t event, uint64_t time_ns);
	/* The recorded hardware answered otherwise than the model, and no doubt is left. */
	void (*answer_differs)(void *self, const struct disagreement *what);
};

struct replay_counters {
	uint64_t events, dma, maps, unmaps, invals, dropped_invals, p2m, no_dirty_bits, words,
		tables_made, tables_freed, tables_empty /* at the end */, flushes, refused_maps;
	uint64_t answers, agree, differ, adopted, undecided; /* of recorded hardware */
	uint64_t distinct, distinct_agree; /* of those, by device, page and mapping */
	uint64_t moved, moved_agree;	   /* of those whose update the importer moved (R10) */
	uint64_t timed_out,
		aborted; /* invalidations of device TLBs, and those that waited behind */
	uint64_t queued; /* the most invalidations that were under way when one more was issued */
	uint64_t pages_asked, pages_answered, pages_mapped, pages_unexpected, pages_beyond;
	uint64_t held, held_at_end, held_dropped, artefacts; /* DMAs (R9) */
	uint64_t first_differ[16], n_first_differ;	     /* events of the first disagreements */
};

/* observer->self and the iommu observer's self are the detector; both outlive the replay. */
int replay_create(const struct machine *machine, const struct replay_observer *observer,
		  const struct iommu_observer *caches, struct replay **out, struct err *err);
void replay_destroy(struct replay *replay);

/* Feeds a batch; events in order. where(...) of the source is used for error texts. */
int replay_batch(struct replay *replay, struct event_source *source,
		 const struct event_batch *batch, struct err *err);
/* No more events: everything scheduled up to the last recorded time has run. */
int replay_finish(struct replay *replay, struct err *err);

const struct replay_counters *replay_counters(const struct replay *replay);
uint64_t replay_now_ns(const struct replay *replay);
uint64_t replay_event(const struct replay *replay); /* the recorded event at hand */
/* The invalidation that executes right now, or NULL. */
const struct inval_op *replay_executing(const struct replay *replay);
/* Every invalidation that was issued and has not completed. */
void replay_each_pending(const struct replay *replay,
			 void (*visit)(void *ctx, const struct inval_op *op), void *ctx);
/* A held DMA is tried again whose page changed since its recorded time: no finding (R9). */
bool replay_artefact(const struct replay *replay);
/* The unit whose callback is running. */
uint32_t replay_unit_at_hand(const struct replay *replay);
/* A step number in the order of all updates and issues. */
uint64_t replay_seq(const struct replay *replay);

/* What the detector may ask. NULL when there is none. */
const struct domain *replay_domain(const struct replay *replay, uint32_t number);
const struct domain *replay_domain_of_space(const struct replay *replay, uint32_t space);
uint32_t replay_number_of_space(const struct replay *replay, uint32_t space); /* or NAME_NONE */
/* By the handle of an iommu callback of that unit. */
const struct device *replay_device(const struct replay *replay, uint32_t unit, uint32_t handle);
/* By its number in names. */
const struct device *replay_device_numbered(const struct replay *replay, uint32_t number);
const struct unit *replay_unit(const struct replay *replay, uint32_t number);
uint32_t replay_units(const struct replay *replay);
const struct names *replay_names(const struct replay *replay);
/* Who owns the page now: NULL when no event said. */
const struct imap_entry *replay_owner(const struct replay *replay, pa_t pa);
/* linux-lazy does as linux-strict, because the units are in caching mode. */
bool replay_forced_strict(const struct replay *replay);
bool replay_reads_behind(const struct replay *replay); /* some unit does not snoop */
bool replay_is_policy_table(const struct replay *replay, pa_t pa);
/* A word of the world's memory; false: there is no memory at that address. */
bool replay_word(const struct replay *replay, pa_t pa, uint64_t *word);
/* Calls visit for every mapping of any domain that covers some of [first, last] (physical). */
void replay_mappings_of(struct replay *replay, pa_t first, pa_t last,
			void (*visit)(void *ctx, const struct domain *domain,
				      const struct imap_entry *mapping),
			void *ctx);
/* Calls visit for every leaf of the domain's tables in [first, last] whose dirty bit is set. */
void replay_dirty_pages(const struct replay *replay, const struct domain *domain, iova_t first,
			iova_t last, void (*visit)(void *ctx, iova_t first, iova_t last),
			void *ctx);
const struct machine *replay_machine(const struct replay *replay);

#endif
