/* The parts of a detector among themselves. */
#ifndef IOMMUSIM_ANALYSIS_DETECT_PRIVATE_H
#define IOMMUSIM_ANALYSIS_DETECT_PRIVATE_H

#include "analysis/detect.h"
#include "sim/imap.h"
#include "sim/pool.h"
#include "sim/spans.h"

enum { WORST = 100, STORY = 10, NO_WINDOW = POOL_NONE };

/* A finding with its evidence, while it is built. */
struct story {
	struct finding finding;
	uint64_t since; /* the oldest event that it rests on: what was lost after it may matter */
	struct evidence steps[STORY];
	uint32_t n;
};

/* The worst findings of a kind that is not kept in full: largest value, then first event. */
struct worst {
	struct story *items;
	uint64_t values[WORST];
	uint32_t n, least; /* index of the one that goes next */
};

/* A part of a window: one piece of the ledger as it was. Its number is its window's if it is the first of that,
 * as most are; others have numbers of their own. */
enum { PART_MORE = 1u << 31 }; /* their bit */
struct part {
	uint32_t next; /* of its window's others, NO_WINDOW: none */
	uint32_t owner, window;
	uint8_t lost, taken;
	iova_t first;
	pa_t pa;
	uint64_t mapped;
	uint64_t
		flushed; /* step at which the last of its IOMMUs was flushed: ATCs count from there */
};

/* Bytes of a window whose software side ended together. */
struct closed_run {
	iova_t first, last;
	uint64_t end_ns, by; /* event, or NO_EVENT */
	uint64_t issued_ns;  /* of the invalidation that closed it */
	uint64_t op;	     /* seq of what closed it */
	uint64_t left;	     /* who was still to be flushed (struct domain.holders) */
	enum exposure_end how;
};

/* An invalidation that was issued while a window was open. */
struct tried {
	uint64_t seq, event;
	struct invalidation scope;
};

struct window {
	struct part part;
	uint32_t next; /* whose software side closed at the same instant, NO_WINDOW: none */
	bool used, inferred;
	uint8_t cause;
	bool noted; /* its parts are in the spans of its domain */
	bool ever_held,
		by_implementation; /* the last copy went with a flush that did not ask for it */
	uint32_t domain, parts;	   /* head of the chain of its other parts */
	uint32_t copies;	   /* of the model's caches that grant what is gone */
	uint64_t event, time_ns, seq;
	iova_t first, last;
	uint64_t open_bytes;
	uint64_t hw_since, hw_total, hw_first, hw_last, uses, use_event;
	bool failed;		      /* one that covers it was issued and ended with an error */
	struct tried tried;	      /* the last one before its software side closed */
	struct closed_run run, *runs; /* runs: more than one */
	uint32_t n_runs, max_runs;
};

/* One of the windows that a copy holds open, if it holds several. */
struct hold {
	uint32_t next, window;
};

/* A copy of a cache that grants something gone. */
struct holder {
	uint64_t id;	 /* 0: empty */
	uint32_t window; /* that it holds open first, NO_WINDOW: none */
	uint32_t more;	 /* chain of the others */
	uint32_t domain;
	bool pointer; /* leads to all in its range, that of later updates too */
	uint8_t perm;
	iova_t first, last;
	pa_t pa; /* of first */
};

/* Per domain: input ranges to parts whose window is not finished. Note: key = part,
 * data = units whose invalidation is still needed; 0: the software side is closed. */
struct domain_windows {
	struct spans *spans;
	uint32_t open;	    /* windows with an open software side */
	struct tried tried; /* the last one while few were */
};

struct overflow_episode {
	bool active, acknowledged, noticed;
	uint64_t first_ns, last_ns, noticed_ns, first_event, last_event, lost;
	uint64_t *by_device; /* by number */
	uint32_t *holders;   /* beside it: another device that held the queue, or NO_DEVICE */
	uint32_t n_devices;
};

struct delays { /* page requests or stalls of a device behind others' for too long, in a row */
	uint64_t n, first_event, first_ns, last_ns, longest_ns;
	uint32_t behind;
	bool stalled;
};

struct gap { /* a fault that a mapping soon after may explain */
	uint32_t domain, device;
	iova_t iova;
	uint64_t event, time_ns, removed_event;
	uint16_t code;
};

struct rest { /* unmapped beyond what was asked */
	struct story story;
	uint32_t domain;
	iova_t first, last;		/* without: */
	iova_t asked_first, asked_last; /* what was asked for */
};

struct flight { /* a DMA on its way to memory */
	uint64_t time_ns, event;
	iova_t iova;
	uint32_t len, device, domain;
	bool write;
	pa_t pa;
};

struct detector {
	const struct machine *machine;
	struct replay *replay;
	struct result_sink *sink;
	struct queue_dumps *dumps; /* or NULL */
	struct replay_observer replay_observer;
	struct iommu_observer iommu_observer;
	bool failed;
	struct err why;

	uint64_t counts[FINDING_KINDS][8];
	uint64_t uncertain[FINDING_KINDS]; /* apart from counts */
	struct worst worst[FINDING_KINDS];

	struct domain_windows *domains;
	uint64_t *open_domains; /* a bit for each that has open windows */
	uint32_t n_domains;	/* a multiple of 64 */
	struct pool windows, parts, holds;
	struct holder *holders;			     /* open addressing by id */
	uint32_t n_holders, max_holders, n_pointers; /* pointers: of the holders */
	struct tried last_tried;		     /* of those that have completed */
	uint32_t last_window;			     /* of the removal at hand, to be extended */
	struct histogram software, hardware, lag, collateral;
	unsigned __int128 byte_ns;
	uint64_t exposed_bytes, no_window;

	struct walks *walks;	       /* walks.c, once a table word was recorded; else NULL */
	struct dirty_log **dirty_logs; /* dirty.c: by domain, NULL where nothing was tracked */
	uint32_t n_dirty_logs;
	struct claims *claims;		   /* --verify; else NULL */
	struct freed_tables *freed_tables; /* freed_tables.c */
	uint32_t tables_seen;		   /* freed without any pointer in sight */
	struct overflow_episode *episodes; /* by unit */
	uint32_t n_episodes;
	struct overflow_episode *page_episodes; /* of page request queues, by unit */
	uint32_t n_page_episodes;
	struct delays *delays; /* by device number */
	uint32_t n_delays;
	struct histogram page_wait;
	uint64_t artefacts;	/* what would have been findings, but for R9 */
	struct imap **replaced; /* by domain: what updates other than unmaps took away */
	uint32_t n_replaced;
	struct gap *gaps;
	uint32_t n_gaps, max_gaps;
	struct rest *rests; /* until they are mapped again */
	uint32_t n_rests, max_rests;
	struct flight *flights;
	uint32_t n_flights, max_flights;
	bool saw_lost, saw_walk_cache;
	uint64_t last_lost;  /* event: the latest `lost` */
	uint64_t last_flush; /* event of the latest invalidation that executed */
};

/*
 * A step of the detector that a build with -DMARK_OMIT leaves out when IOMMUSIM_STEP_OMIT names it, so
 * that tests/marks/steps.sh can show that --verify notices.
 */
#ifdef MARK_OMIT
bool detector_step(const char *name);
#define STEP(name) detector_step(#name)
#else
#define STEP(name) true
#endif

/* story.c */
void story_begin(struct story *story, enum finding_kind kind, uint32_t subtype, uint64_t event,
		 uint64_t time_ns);
void story_step(struct story *story, const char *role, uint64_t event, uint64_t time_ns,
		const char *format, ...) __attribute__((format(printf, 5, 6)));
void story_tell(struct detector *detector, struct story *story); /* kept in full */
/* Of a kind that is not kept in full: whether its story is worth telling, and telling it. */
static inline bool worst_takes(const struct worst *worst, uint64_t value)
{
	return worst->n < WORST || value > worst->values[worst->least];
}
static inline bool story_wanted(const struct detector *detector, enum finding_kind kind,
				uint64_t value)
{
	return detector->claims || worst_takes(&detector->worst[kind], value);
}
void worst_put(struct detector *detector, const struct story *story, uint64_t value);
void worst_tell(struct detector *detector, struct worst *worst);
void detector_fails(struct detector *detector, const char *what);
/* Whether events were lost after that one, so that what it left may have changed (rules R10). */
static inline bool lost_since(const struct detector *detector, uint64_t event)
{
	return detector->saw_lost && detector->last_lost > event;
}
void story_since(struct story *story, uint64_t event); /* NO_EVENT: says nothing */
/* Uncertain ones are counted apart. */
static inline void count_finding(struct detector *detector, enum finding_kind kind,
				 uint32_t subtype, bool uncertain)
{
	if (uncertain)
		detector->uncertain[kind]++;
	else
		detector->counts[kind][subtype]++;
}
const char *owner_name(const struct detector *detector, uint32_t owner);
void name_domain(const struct detector *detector, char text[64], uint32_t domain);
void name_device(const struct detector *detector, char text[64], uint32_t device);

/* Names a copy of a unit for ever, among those of all units. */
static inline uint64_t copy_id(const struct cached_copy *copy, uint32_t unit)
{
	return copy_name(copy->structure, copy->level, copy->serial) | unit;
}

/* windows.c */
static inline struct window *window_at(const struct detector *detector, uint32_t number)
{
	return pool_at(&detector->windows, number);
}
static inline struct part *part_at(const struct detector *detector, uint32_t number)
{
	return number & PART_MORE ? pool_at(&detector->parts, number & ~(uint32_t)PART_MORE)
				  : &window_at(detector, number)->part;
}
void windows_removed(struct detector *detector, const struct removal *removal);
/* The number of one more part of the window; NO_WINDOW: no memory. */
uint32_t window_more_part(struct detector *detector, uint32_t number);
/* Whether there may be any. */
static inline bool windows_any(const struct detector *detector, uint32_t domain)
{
	return domain < detector->n_domains &&
	       (detector->domains[domain].open || detector->n_holders);
}
bool windows_outstanding(struct detector *detector, const struct inval_op *op);
/* The lowest domain from `from` on that has open windows; NAME_NONE: there is none. */
uint32_t windows_open_domain(const struct detector *detector, uint32_t from);
/* The part (number) of an unfinished window that held iova -> pa; NO_WINDOW: none. */
uint32_t windows_find(struct detector *detector, uint32_t domain, iova_t iova, pa_t pa);
/* The device TLBs of struct domain.holders that an invalidation of one is about. */
uint64_t windows_atc_holders(const struct detector *detector, const struct domain *domain,
			     const struct inval_op *op);
/* Bits of struct domain.holders that an invalidation is about. */
static inline uint64_t windows_holders(const struct detector *detector, const struct domain *domain,
				       const struct inval_op *op)
{
	if (op->scope.what == INVAL_DEVICE_CONFIG)
		return 0;
	if (op->scope.what == INVAL_DEVICE_ATC)
		return windows_atc_holders(detector, domain, op);
	return domain_tags_in(domain, op->unit, &op->scope);
}
void windows_destroy(struct detector *detector);

/* windows_close.c */
/* A translation is there; parts of windows that it restores end. */
void windows_restore(struct detector *detector, const struct domain *domain, iova_t first,
		     iova_t last, pa_t pa, unsigned perm, uint64_t event, uint64_t time_ns);
void windows_done(struct detector *detector, const struct inval_op *op);
/* Both sides of the window are closed: it is told and forgotten. */
void window_over(struct detector *detector, uint32_t number);
void windows_finish(struct detector *detector);

/* windows_tried.c: what was issued for windows that nothing closes, or too late */
void tried_late(struct detector *detector, const struct inval_op *op);
/* It completed; or it failed, which windows that it was for remember. */
void tried_done(struct detector *detector, const struct inval_op *op);
/* Of a window that stays open: what was issued for it, or instead of it (window->tried). */
enum missing_why tried_why_missing(const struct detector *detector, struct window *window,
				   const struct closed_run *left, uint64_t now);

/* Of that domain, with spans; NULL: no memory. */
struct domain_windows *windows_of_new(struct detector *detector, uint32_t domain);
static inline struct domain_windows *windows_of(struct detector *detector, uint32_t domain)
{
	return domain < detector->n_domains && detector->domains[domain].spans
		       ? &detector->domains[domain]
		       : windows_of_new(detector, domain);
}

/* windows_held.c: the hardware side */
void windows_copy_opens(void *self, const struct doubted_copy *copy);
void windows_copy_closes(struct detector *detector, uint64_t id);
/* A stale pointer counts for every window in its range, one that opens later too. */
void windows_held_by_pointers(struct detector *detector, const struct removal *removal,
			      uint32_t window);
/* A translation is there again, and its parts of windows are over: copies hold what is left. */
void windows_restored(struct detector *detector, uint32_t domain, iova_t first, iova_t last);
/* Marked pointers to that table page. */
void windows_pointers_to(const struct detector *detector, pa_t page,
			 void (*visit)(void *ctx, uint64_t id), void *ctx);

/* windows_tell.c */
void window_tell_exposure(struct detector *detector, const struct window *window,
			  const struct closed_run *run);
void window_tell_missing(struct detector *detector, const struct window *window,
			 const struct closed_run *run, enum missing_why why);

/* uses.c */
void uses_checked(void *self, const struct checked_use *use);
void uses_overlap(void *self, uint64_t event, const struct dma_request *request,
		  const struct cached_copy *filled, const struct cached_copy *valid);
void uses_tag_reused(void *self, uint64_t event, uint32_t device, uint64_t tag, uint32_t old_space,
		     uint32_t space, uint64_t copies);

/* freed_tables.c */
void freed_tables_add(void *self, pa_t pa, uint64_t event, uint64_t time_ns);
void freed_tables_pointer_closes(struct detector *detector, uint64_t id);
void freed_tables_finish(struct detector *detector);
void freed_tables_destroy(struct detector *detector);

/* walks.c */
void walks_behind(struct detector *detector, const struct checked_use *use, const char *device,
		  const char *domain);
void walks_written(void *self, pa_t pa, uint64_t event, uint64_t time_ns);
void walks_entry_read(void *self, const struct entry_read *entry);
void walks_config_flushed(struct detector *detector);
void walks_run(void *self, const struct run_report *report);
void walks_destroy(struct detector *detector);

/* dirty.c */
void dirty_written(struct detector *detector, const struct checked_use *use, uint32_t domain,
		   uint32_t device);
void dirty_step(void *self, const struct dirty_step *step);
void dirty_page(void *self, const struct domain *domain, iova_t first, iova_t last);
void dirty_removed(struct detector *detector, const struct removal *removal);
void dirty_finish(struct detector *detector);
void dirty_destroy(struct detector *detector);

/* disagreements.c */
void disagreements_differ(void *self, const struct disagreement *what);

/* pages.c */
void pages_requested(void *self, const struct page_report *report);
void pages_acknowledged(void *self);
void pages_waited(void *self, const struct page_wait *wait);
void pages_finish(struct detector *detector);

/* episodes.c */
/* queue: what overflowed, "" for fault records. */
void episode_tell(struct detector *detector, struct overflow_episode *episode, const char *queue,
		  uint64_t end_ns);
void episode_lose(struct detector *detector, struct overflow_episode *episode, uint32_t device,
		  uint32_t holder, uint64_t event, uint64_t now);
void episodes_fault(void *self, const struct fault_report *report);
void episodes_acknowledged(void *self, bool overflow);
void episodes_handler(void *self, uint32_t unit, uint64_t time_ns);
void episodes_dma(void *self, uint64_t event, const struct dma_request *request,
		  const struct dma_result *result, uint32_t device);
void episodes_owner(void *self, pa_t first, pa_t last, uint32_t owner, enum owner_state state,
		    uint64_t event, uint64_t time_ns);
void episodes_in_flight(struct detector *detector, const struct inval_op *op);
void episodes_rights(void *self, const struct rights_excess *excess);
void episodes_finish(struct detector *detector);

/* gaps.c */
void gaps_removed(struct detector *detector, const struct removal *removal);
void gaps_refused(struct detector *detector, uint32_t domain, uint64_t event,
		  const struct dma_request *request, const struct dma_result *result,
		  uint32_t device);
void gaps_mapped(struct detector *detector, const struct domain *domain, iova_t first, iova_t last,
		 unsigned perm, uint64_t event, uint64_t time_ns);
void gaps_unmap_returned(void *self, const struct domain *domain, iova_t first, iova_t last,
			 uint64_t time_ns);
void gaps_finish(struct detector *detector);
void gaps_destroy(struct detector *detector);

#endif
