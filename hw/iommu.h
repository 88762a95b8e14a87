/*
 * What every IOMMU model offers to a replay, and what it tells while it works.
 *
 * A model reads its structures from simulated memory, keeps its caches, executes invalidations
 * and records faults. It knows nothing of recordings, drivers, windows or findings: it reports
 * through struct iommu_observer, on rare paths only. A request that is served by copies whose
 * check bit is clear costs no report.
 *
 * Truth (rules R1) is the uncached translation at this instant, from the device's
 * configuration entry on. Every cached copy that may differ from it carries a check bit; a
 * request that uses such a copy is compared with truth, and the outcome is reported.
 *
 * Times are nanoseconds; events are numbers of the recording. A model never schedules: it says
 * what has to happen (interrupt raised) and the replay's clock decides when.
 */
#ifndef IOMMUSIM_HW_IOMMU_H
#define IOMMUSIM_HW_IOMMU_H

#include <stdio.h>

#include "hw/observer.h"
#include "hw/pt/pt_walk.h"
#include "hw/vectors.h"

/* A device's own TLB (its ATC) as a machine has it; every field is a setting. */
struct device_tlb {
	uint64_t sets, ways;  /* sets 0: none */
	uint64_t replacement; /* enum tlb_replacement */
	uint64_t dma;	      /* DMAs go through it; else only what is said to */
};

/* A neutral invalidation. */
enum inval_what { INVAL_ALL, INVAL_DOMAIN, INVAL_RANGE, INVAL_DEVICE_CONFIG, INVAL_DEVICE_ATC };
struct invalidation {
	enum inval_what what;
	uint64_t tag;	 /* domain id, as domain_tag() of the model encodes it */
	uint32_t device; /* handle, for config and ATC */
	uint32_t pasid;
	iova_t first, last; /* INVAL_RANGE */
	bool leaf;	    /* only leaves changed */
	bool drain;
};

/* A native command: up to four 64-bit words. */
struct native_command {
	uint64_t words[4];
};

/* What a recording tells of its driver's choices. */
struct recorded_use {
	bool pasids, page_requests;	/* its first events name some */
	bool first_stage, second_stage; /* META: tables that requests without a PASID have, of
					   * two that the driver could choose from */
};

/* What a driver of this IOMMU writes into tables, word by word, in order. */
struct table_word {
	pa_t pa;
	uint64_t value;
};

enum { ATTACH_WORDS = 16 };

/* The same for a row of words, over as many pages as it takes. */
struct table_row {
	pa_t pa;
	uint64_t count, value, step;
};
enum { START_ROWS = 4 };

/* What a driver attaches a requester to. */
struct attachment {
	uint32_t requester_id;
	uint32_t pasid; /* NO_PASID: requests without one */
	pa_t root;	/* 0: nothing, it is detached; or ATTACH_BYPASS */
	unsigned levels;
	uint64_t tag;
	bool ats, pri; /* the driver switches them on */
	bool stall;    /* faults of this requester stall, where the unit can have that */
	pa_t spare;    /* empty pages from here on, for tables */
	unsigned used; /* how many of these were taken */
};

struct fault_row {
	uint16_t code;
	const char *name; /* the specification's own */
	bool missing; /* not present, or without the right: a later mapping would have served it */
};

enum domain_tag { DOMAIN_TAG_DID, DOMAIN_TAG_ASID, DOMAIN_TAG_VMID };
enum { ATTACH_BYPASS = 1 }; /* no root table lies there */

struct iommu_model {
	const char *name;		/* "vtd" */
	const char *spec;		/* document and revision modelled */
	const char *omits;		/* what the model leaves out: lines "what: why" */
	const struct setting *settings; /* ends with a row whose key is NULL */
	size_t config_size;

	/* config: a struct of config_size that settings describe; copied. */
	int (*create)(const void *config, uint64_t seed, struct tables *tables,
		      const struct iommu_observer *observer, struct iommu **out, struct err *err);
	void (*destroy)(struct iommu *iommu);

	/* Tells the model of a requester; the handle goes into requests. tlb: its own, or NULL. */
	int (*add_device)(struct iommu *iommu, uint32_t requester_id, const struct device_tlb *tlb,
			  uint32_t *handle, struct err *err);

	/*
	 * Translates requests[0..n) in order, results beside them; event numbers count up from
	 * first_event. Returns how many were done: fewer than n when something the clock must see
	 * happened (an interrupt was raised).
	 */
	size_t (*translate)(struct iommu *iommu, uint64_t first_event,
			    const struct dma_request *requests, struct dma_result *results,
			    size_t n);

	/*
	 * The path of nearly all DMAs: serves records from the first on, as translate() would, while each
	 * is a usual request of a requester behind this unit and the model finds it plain. Returns how
	 * many were done; the next one, if there is one, is for translate(). NULL: a model that
	 * has no such path.
	 */
	size_t (*translate_plain)(struct iommu *iommu, const struct dma_run *run,
				  struct dma_result *results);

	/* The uncached translation of one request, cut to a page; changes nothing. */
	void (*truth)(struct iommu *iommu, const struct dma_request *request,
		      struct dma_result *result);

	/* Whether all its reads of tables snoop the caches of CPUs; if not, it reads through
	 * memory->view (hw/memory_view.h), where there is one. */
	bool (*snoops)(const struct iommu *iommu);

	/* Tables changed: sets the check bits of copies that may no longer agree. */
	void (*tables_changed)(struct iommu *iommu, uint64_t event,
			       const struct table_change *changes, uint32_t n);

	/* Neutral to native: the smallest native scope that covers it. Answers what decode() would, with
	 * *covers for that. */
	bool (*encode)(const struct iommu *iommu, const struct invalidation *what,
		       struct native_command *command, struct invalidation *covers);
	/* What a native command covers, for software windows. False: not an invalidation. */
	bool (*decode)(const struct iommu *iommu, const struct native_command *command,
		       struct invalidation *what);
	/* Executes one native command now; *report says what it removed. -1: refused by the
	 * hardware's rules (*err says which). */
	int (*execute)(struct iommu *iommu, uint64_t event, const struct native_command *command,
		       struct inval_report *report, struct err *err);

	/* Software writes a register; false: the model has none at that offset. */
	bool (*reg_write)(struct iommu *iommu, uint64_t event, uint64_t offset, uint64_t value,
			  unsigned size);
	bool (*reg_read)(struct iommu *iommu, uint64_t offset, unsigned size, uint64_t *value);
	/* What a driver's fault handler does: reads and clears all records, then the overflow. */
	void (*acknowledge_faults)(struct iommu *iommu, uint64_t event);

	/* Driver's side. Registers after start-up: root table at this (empty) address, enabled. */
	int (*start)(struct iommu *iommu, pa_t root);
	/* Tables that the driver lays out besides, after start(); how many. NULL: none. */
	size_t (*start_rows)(const struct iommu *iommu, struct table_row rows[START_ROWS]);
	/* Bytes from the root table on that start_rows() and attach_words() use for such tables. */
	uint64_t (*config_bytes)(const struct iommu *iommu);
	/* Words that attach or detach a device, in the order written. Root 0 detaches it,
	 * ATTACH_BYPASS lets its requests pass untranslated. Returns 0 where this driver's tables have
	 * no place for it (a PASID). */
	size_t (*attach_words)(const struct iommu *iommu, struct attachment *attachment,
			       struct table_word words[ATTACH_WORDS]);
	/* Words that switch the dirty bits of an attached device's tables on or off, which its cached
	 * configuration has to be told; -1: what the driver builds has none. NULL: the same. */
	int (*dirty_words)(const struct iommu *iommu, uint32_t requester_id, bool on,
			   struct table_word words[2]);
	const struct pt_format *(*format)(const struct iommu *iommu);
	unsigned (*levels)(const struct iommu *iommu); /* default for a domain */
	unsigned (*address_bits)(const struct iommu *iommu, unsigned levels);
	unsigned (*pa_bits)(const struct iommu *iommu);
	bool (*page_supported)(const struct iommu *iommu, unsigned level); /* leaf at this level */
	uint64_t (*tags)(const struct iommu *iommu);			   /* how many domain ids */
	/* Which of a recorded domain's identifiers is the tag. */
	enum domain_tag (*tag_kind)(const struct iommu *iommu);
	/* The driver writes a configuration that refuses everything when it gets to know a device. */
	bool refuses_unattached;

	/* Names of faults: rows, or where they follow from parts of the code, these functions. */
	const struct fault_row *faults; /* ends with a row without a name */
	const char *(*fault_name)(uint16_t code);
	bool (*fault_is_missing)(uint16_t code);
	const char *(*structure_name)(enum structure structure, unsigned level);
	/* Counters of this instance, by name; index from 0 until NULL. */
	const char *(*counter)(const struct iommu *iommu, unsigned index, uint64_t *value);

	/* For --verify: every copy that the request's answer could rest on, found by brute force
	 * without check bits. Calls visit for each valid copy of every structure. */
	void (*each_copy)(const struct iommu *iommu,
			  void (*visit)(void *ctx, const struct cached_copy *copy), void *ctx);
	/* Tag, PASID, space and range of each_copy's copies say all of what rules R1 to R5 put in
	 * doubt (no global entries, generations, runs so far): --verify then follows that doubt itself.
	 * NULL: they never do. */
	bool (*plain_copies)(const struct iommu *iommu);

	const struct page_queue_ops *pages; /* NULL: it has no page request queue */
	/* What the recording uses, for what settings leave to the driver; before start(). NULL:
	 * nothing is left to it. */
	void (*expect)(struct iommu *iommu, const struct recorded_use *use);
	/* CAP.CM, NpCache: drivers flush what becomes present too, and do not batch. NULL: never. */
	bool (*caching_mode)(const struct iommu *iommu);
	const struct stall_ops *stalls; /* NULL: nothing stalls */
	/* The device did not answer the invalidation of its TLB in time. NULL: not modelled. */
	void (*atc_timed_out)(struct iommu *iommu, uint64_t event, uint32_t device);

	const struct iommu_vectors *vectors; /* NULL: the model runs no test vectors */
	const struct basic_numbers *basic;   /* of a model made of hw/basic.h */
};

/* Head of every instance. */
struct iommu {
	const struct iommu_model *model;
	uint64_t event;	     /* at hand: of the request, update or command being worked on */
	bool interrupt;	     /* raised since the clock last looked; it clears this */
	bool page_interrupt; /* the same of the page request queue's */
	iova_t wanted;	 /* page of the first SEES_NO_RIGHT since its reader last set it to NO_PA */
	bool refused;	 /* a result was not OUTCOME_OK since the replay last cleared this */
	bool reissues;	 /* whoever drives the unit reads its stalls and issues them again itself */
	bool stall_news; /* there may be some that stalls->next() has not told */
};

/* For a model without registers, fault queue, caches or counters (yet): hw/basic.h. */
bool iommu_no_reg_write(struct iommu *iommu, uint64_t event, uint64_t offset, uint64_t value,
			unsigned size);
bool iommu_no_reg_read(struct iommu *iommu, uint64_t offset, unsigned size, uint64_t *value);
void iommu_no_fault_queue(struct iommu *iommu, uint64_t event);
void iommu_no_marks(struct iommu *iommu, uint64_t event, const struct table_change *changes,
		    uint32_t n);
bool iommu_no_encode(const struct iommu *iommu, const struct invalidation *what,
		     struct native_command *command, struct invalidation *covers);
bool iommu_no_decode(const struct iommu *iommu, const struct native_command *command,
		     struct invalidation *what);
int iommu_no_execute(struct iommu *iommu, uint64_t event, const struct native_command *command,
		     struct inval_report *report, struct err *err);
const char *iommu_no_counter(const struct iommu *iommu, unsigned index, uint64_t *value);
void iommu_no_copies(const struct iommu *iommu,
		     void (*visit)(void *ctx, const struct cached_copy *copy), void *ctx);

const char *iommu_fault_name(const struct iommu_model *model, uint16_t code); /* NULL: unknown */
bool iommu_fault_is_missing(const struct iommu_model *model, uint16_t code);
/* As its `create` has it; a model without is made of hw/basic.h. */
int iommu_create(const struct iommu_model *model, const void *config, uint64_t seed,
		 struct tables *tables, const struct iommu_observer *observer, struct iommu **out,
		 struct err *err);

/* NULL-terminated. Adding a model: one line in models.c, one folder under hw/. */
extern const struct iommu_model *const iommu_models[];
const struct iommu_model *iommu_model_find(const char *name);

#endif
