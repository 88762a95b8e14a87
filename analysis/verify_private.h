/* The parts of the second derivation among themselves. */
#ifndef IOMMUSIM_ANALYSIS_VERIFY_PRIVATE_H
#define IOMMUSIM_ANALYSIS_VERIFY_PRIVATE_H

#include "analysis/verify.h"

/* A growing plain array. */
struct list {
	void *items;
	size_t n, max;
};
/* Room for one more of `bytes` each, all zero; NULL: no memory. */
void *list_add(struct list *list, size_t bytes);
#define LIST_AT(list, type, i) (&((type *)(list)->items)[i])

/* ---- verify_copies.c: what the caches hold ------------------------------------------------------- */

/* One copy, as long as it stays in its place. */
struct watched {
	struct cached_copy copy;
	uint32_t unit;
	unsigned doubt;	  /* CHECK_* by rules R1 to R5 */
	uint64_t changed; /* event that put it in doubt, or NO_EVENT */
	bool fresh;	  /* not there at the look before */
	bool gone;	  /* of `before`: not there any more, else: */
	uint32_t now;	  /* its place in `now` */
};

struct copies {
	struct list now, before; /* struct watched */
	uint32_t *index;	 /* of before, by key; built when order alone does not find it */
	uint32_t n_index;
	bool differ; /* now and before */
};

/* Looks at all caches of all units; doubt stays with its copy. */
bool copies_look(struct copies *copies, const struct replay *replay);
void copies_free(struct copies *copies);

/* ---- verify_windows.c ---------------------------------------------------------------------------- */

enum { NO_PIECE = UINT32_MAX };

/* A stretch of input that an update removed, until its window is over on both sides. */
struct piece {
	iova_t first, last;
	pa_t pa;	  /* of first */
	uint64_t holders; /* whose invalidation it waits for; 0: its software side is closed */
	uint64_t flushed; /* step at which its last IOMMU was flushed */
	uint64_t mapped;
	uint32_t window, owner;
	unsigned lost;
	bool written; /* table words in it changed since: what it lost may be gone from the tables too */
};

/* Bytes of a window whose software side ended together. */
struct ended {
	iova_t first, last;
	uint64_t end_ns, issued_ns, op, left;
	enum exposure_end how;
};

struct opened { /* a window */
	bool used, held, ever_held;
	enum removal_cause cause;
	uint32_t domain;
	uint64_t event, time_ns, seq, uses;
	iova_t first, last;
	uint64_t hw_since, hw_total, hw_first, hw_last;
	uint64_t open_bytes;
	bool inferred;
	struct list ends; /* struct ended */
};

/* ---- the whole ------------------------------------------------------------------------------------ */

struct owned { /* an owner event; the newest that covers a page counts */
	pa_t first, last;
	uint32_t owner;
	enum owner_state state;
	uint64_t event;
};

struct mapping {
	uint32_t domain;
	iova_t first, last;
	pa_t pa;
	uint64_t event;
};

struct freed { /* a table page */
	pa_t page;
	uint64_t event, time_ns;
	bool now;  /* not a table again since */
	bool held; /* cached pointers lead to it since it was freed: the window */
};

struct tag_use { /* what a tag stands for */
	uint32_t unit, pasid, space;
	uint64_t tag;
	bool conflicted;
};

struct verifier {
	struct replay *replay;
	const struct replay_observer *next; /* the detector's */
	const struct iommu_observer *caches;
	struct replay_observer replay_observer;
	struct iommu_observer iommu_observer;
	struct claims derived;
	bool failed;	    /* no memory */
	bool page_requests; /* findings are not compared */
	bool doubt_known;   /* copies show all that puts them in doubt */
	bool lost;
	uint64_t last_lost, last_flush;

	struct copies copies;
	struct list tags; /* struct tag_use */
	bool doubt_changed;

	/* the request at hand */
	struct dma_result truth; /* from before it was served */
	struct dma_result page;	 /* the same without an access that could be refused */
	bool reported;
	struct checked_use use;
	struct cached_copy use_copy; /* of use */
	uint64_t checked, differences;
	char first[400];

	struct list windows, pieces, issued; /* struct opened, struct piece, struct inval_op */
	uint32_t last_window;
	bool windows_changed;

	struct list owners, mappings, replaced, gaps, rests, flights, freed;
	uint32_t held;	       /* of freed: with a cached pointer */
	uint32_t *freed_index; /* of freed: the last of each page, by page */
	uint32_t n_freed_index;
	struct list episodes; /* by unit */
};

void verify_fails(struct verifier *verifier);
/* Adds a claim of the second derivation. */
void derive(struct verifier *verifier, const struct finding *finding);
/* Whether events were lost after that one. */
bool verify_lost_since(const struct verifier *verifier, uint64_t event);
void verify_differs(struct verifier *verifier, uint64_t event, const struct dma_request *page,
		    const struct dma_result *served, const struct dma_result *truth,
		    const char *what);
uint32_t verify_domain_of(const struct verifier *verifier, const struct cached_copy *copy);

/* Looks at the caches, and at what follows for windows and freed tables. */
void verify_look(struct verifier *verifier);

/* verify_doubt.c */
void doubt_changed_words(struct verifier *verifier, const struct table_change *changes, uint32_t n);
void doubt_flushed(struct verifier *verifier, const struct inval_op *op);
/* After a look that follows a request, in this order: tags of the configurations that it brought in,
 * what it proved, what it left in the caches. */
void doubt_tags(struct verifier *verifier);
void doubt_proven(struct verifier *verifier, const struct watched *used, uint32_t unit,
		  const struct dma_request *request);
void doubt_filled(struct verifier *verifier, bool from_doubt, uint64_t changed,
		  const struct dma_request *request, uint32_t unit);

/* verify_requests.c */
void requests_before(void *self, uint64_t event, const struct dma_request *page, uint32_t unit);
void requests_served(void *self, uint64_t event, const struct dma_request *page,
		     const struct dma_result *served, uint32_t unit);

/* verify_windows.c */
void opened_removed(struct verifier *verifier, const struct removal *removal);
void opened_mapped(struct verifier *verifier, const struct domain *domain, iova_t first,
		   iova_t last, pa_t pa, unsigned perm, uint64_t time_ns);
void opened_written(struct verifier *verifier, const struct table_change *changes, uint32_t n);
void opened_issued(struct verifier *verifier, const struct inval_op *op);
void opened_done(struct verifier *verifier, const struct inval_op *op);
bool opened_outstanding(const struct verifier *verifier, const struct inval_op *op);
void opened_look(struct verifier *verifier); /* at the hardware side */
uint32_t opened_find(const struct verifier *verifier, uint32_t domain, iova_t iova, pa_t pa);
void opened_finish(struct verifier *verifier);
enum stale_grade owned_grade(const struct verifier *verifier, pa_t pa, uint32_t owner,
			     uint64_t update);

/* verify_flushes.c */
void flushes_executed(struct verifier *verifier, const struct inval_op *op);
void flushes_done(struct verifier *verifier, const struct inval_op *op);
void flushes_dma(struct verifier *verifier, uint64_t event, const struct dma_request *request,
		 const struct dma_result *result, uint32_t domain);

/* verify_ledger.c */
void ledger_removed(struct verifier *verifier, const struct removal *removal);
void ledger_mapped(struct verifier *verifier, const struct domain *domain, iova_t first,
		   iova_t last, pa_t pa, unsigned perm, uint64_t event, uint64_t time_ns);
void ledger_returned(struct verifier *verifier, const struct domain *domain, iova_t first,
		     iova_t last);
void ledger_owner(struct verifier *verifier, pa_t first, pa_t last, enum owner_state state,
		  uint64_t event, uint64_t time_ns);
void ledger_refused(struct verifier *verifier, uint64_t event, const struct dma_request *request,
		    uint32_t domain);
void ledger_finish(struct verifier *verifier);

/* verify_tables.c */
void freed_table(struct verifier *verifier, pa_t pa, uint64_t event, uint64_t time_ns);
void freed_reused(struct verifier *verifier, pa_t first, pa_t last);
void freed_look(struct verifier *verifier);
void freed_finish(struct verifier *verifier);
/* Whether the walk of this page, from the pointer or from the root, reads a freed table. */
bool freed_walk(const struct verifier *verifier, const struct watched *pointer, uint32_t domain,
		iova_t iova, uint64_t *event, pa_t *word);

/* verify_faults.c */
void faults_reported(struct verifier *verifier, const struct fault_report *report);
void faults_acknowledged(struct verifier *verifier, bool overflow);
void faults_finish(struct verifier *verifier);

#endif
