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
#include <string.h>

#include "hw/base/dma_record.h"
#include "hw/base/settings.h"
#include "hw/pt/pt_walk.h"
#include "hw/tables.h"
#include "hw/tlb.h"

enum dma_access { ACCESS_READ = TLB_READ, ACCESS_WRITE = TLB_WRITE, ACCESS_EXECUTE = TLB_EXECUTE };
enum {
	NO_EVENT_YET = 0,
	NO_PASID = UINT32_MAX,
	ALL_PASIDS = UINT32_MAX - 1,
	NO_DEVICE = UINT32_MAX
};
#define NO_EVENT UINT64_MAX
#define NO_PA UINT64_MAX

struct iommu;
struct native_command;

/* A device's own TLB (its ATC) as a machine has it; every field is a setting. */
struct device_tlb {
	uint64_t sets, ways;  /* sets 0: none */
	uint64_t replacement; /* enum tlb_replacement */
	uint64_t dma;	      /* DMAs go through it; else only what is said to */
};

/* The PCIe AT field. */
/* And, for fault records only, what is no memory request. */
enum dma_type { DMA_UNTRANSLATED, DMA_TRANSLATION_REQUEST, DMA_TRANSLATED, DMA_PAGE_REQUEST };

struct dma_request {
	uint64_t time_ns;
	iova_t iova;
	uint32_t device; /* handle from add_device() */
	uint32_t pasid;
	uint32_t len; /* bytes; 0 is a flushing read */
	uint8_t access; /* enum dma_access bits; 0: direction unknown, no permission fault is proven */
	uint8_t type;	    /* enum dma_type */
	uint8_t privileged; /* 1: the request asks for supervisor privilege */
};

/* The access bits of a verb. */
static inline unsigned dma_access_of(unsigned verb)
{
	return (verb + 1) & (ACCESS_READ | ACCESS_WRITE);
}
_Static_assert(((DMA_VERB_READ + 1) & 3) == ACCESS_READ &&
		       ((DMA_VERB_WRITE + 1) & 3) == ACCESS_WRITE &&
		       ((DMA_VERB_ATOMIC + 1) & 3) == (ACCESS_READ | ACCESS_WRITE) &&
		       ((DMA_VERB_ANY + 1) & 3) == 0,
	       "dma_access_of");

/* DMAs in a row as a recording holds them. */
struct dma_run {
	const struct dma_record *records;
	size_t n;
	uint64_t first_event;
	/* Handles by `who`. NO_DEVICE: not behind the unit that is asked, not known yet, or with a PASID. */
	const uint32_t *devices;
	uint32_t n_devices;
};

/* Handle of who asks with a usual request; NO_DEVICE: it is another event, or not for this unit. */
static inline __attribute__((always_inline)) uint32_t
dma_run_device(const struct dma_run *run, const struct dma_record *record)
{
	return !(record->how & DMA_RECORD_SPECIAL) && record->who < run->n_devices
		       ? run->devices[record->who]
		       : NO_DEVICE;
}

static inline uint64_t dma_run_event(const struct dma_run *run, const struct dma_record *record)
{
	return run->first_event + (uint64_t)(record - run->records);
}

/* Untranslated, of user privilege, without a PASID. */
static inline bool dma_is_usual(const struct dma_request *request)
{
	return !(request->type | request->privileged) && request->pasid == NO_PASID;
}

enum dma_outcome {
	OUTCOME_OK,
	OUTCOME_FAULT,	   /* result.fault is the model's code */
	OUTCOME_INTERRUPT, /* an interrupt message: not translated */
	OUTCOME_BLOCKED,   /* stopped without a defined fault */
};

/* What the requester sees. */
enum device_sees {
	SEES_OK,
	SEES_UNSUPPORTED,
	SEES_DROPPED,
	SEES_ABORT,
	SEES_ZERO,     /* reads return 0, writes are dropped, both with success */
	SEES_NOTHING,  /* stalled: no answer yet */
	SEES_NO_RIGHT, /* a translation completion without the right: it may ask for the page */
};

struct dma_result {
	pa_t pa; /* OUTCOME_OK: of the first byte */
	uint8_t outcome, sees, perm, flags;
	uint16_t fault;
	uint8_t page_lg2;
	uint8_t cached; /* 1: from the translation cache; 0: a walk */
};

_Static_assert(sizeof(struct dma_result) == 16 && OUTCOME_OK == 0 && SEES_OK == 0 &&
		       offsetof(struct dma_result, outcome) == 8 &&
		       offsetof(struct dma_result, perm) == 10 &&
		       offsetof(struct dma_result, flags) == 11 &&
		       offsetof(struct dma_result, page_lg2) == 14 &&
		       offsetof(struct dma_result, cached) == 15,
	       "dma_result_ok");

/* An address was given: a translation completion without one refuses, with success. */
static inline bool dma_granted(const struct dma_result *result)
{
	return result->outcome == OUTCOME_OK && result->pa != NO_PA;
}

/* OUTCOME_OK, stored in three words. rights: TLB_PERM and TLB_SNOOP of a copy. */
static inline __attribute__((always_inline)) void
dma_result_ok(struct dma_result *result, pa_t pa, uint32_t rights, unsigned page_lg2, bool cached)
{
	uint32_t grants = rights * 0x01010000u & (TLB_PERM << 16 | TLB_SNOOP << 24);
	uint32_t copy = page_lg2 << 16 | (uint32_t)cached << 24;
	unsigned char *rest = (unsigned char *)result + offsetof(struct dma_result, outcome);

	result->pa = pa;
	memcpy(rest, &grants, sizeof grants);
	memcpy(rest + sizeof grants, &copy, sizeof copy);
}

enum structure { STRUCTURE_TLB, STRUCTURE_WALK_CACHE, STRUCTURE_CONFIG, STRUCTURE_ATC };

enum { COPY_READS = 4 };

/* A cached copy, as reports show it. */
struct cached_copy {
	enum structure structure;
	uint8_t level; /* walk cache: of the table pointed to; stages count apart */
	uint8_t perm, page_lg2, reasons;
	uint32_t space;	    /* walked from this address space */
	uint64_t tag;	    /* as the manual tags it: the domain id, ... */
	uint32_t pasid;	    /* that tags it too, or NO_PASID */
	uint32_t serves;    /* configuration: requests with this PASID, or NO_PASID: without */
	bool serves_both;   /* those with that PASID and those without */
	bool tagged;	    /* configuration: tag and pasid are of the copies it leads to */
	uint64_t serial;    /* with structure and level its name: copy_name() */
	iova_t first, last; /* input covered; configuration: device ids */
	pa_t pa;	    /* output page, or table pointed to */
	uint64_t filled, changed;
	/* Configuration of a model that watches frames of its own: which changes (struct table_change)
	 * are of what it was read from. Others are read from the tables of device ids. */
	struct {
		uint32_t space; /* 0: unused */
		uint64_t first, last;
	} read[COPY_READS];
};

/* Names one copy of a unit for ever; never 0. The low byte is free, for the number of the unit. */
static inline uint64_t copy_name(enum structure structure, unsigned level, uint64_t serial)
{
	return (serial + 1) << 16 | (uint64_t)structure << 13 | (uint64_t)level << 8;
}
static inline enum structure copy_name_structure(uint64_t name)
{
	return (enum structure)(name >> 13 & 7);
}

/* What matters of a copy that may grant what is gone. */
struct doubted_copy {
	uint64_t name;
	iova_t first, last;
	pa_t pa;
	uint32_t space;
	uint8_t perm, reasons;
};
static inline struct doubted_copy doubted_copy_of(const struct cached_copy *copy)
{
	return (struct doubted_copy){ copy_name(copy->structure, copy->level, copy->serial),
				      copy->first,
				      copy->last,
				      copy->pa,
				      copy->space,
				      copy->perm,
				      copy->reasons };
}

enum verdict {
	VERDICT_FRESH,	       /* nothing to tell: a needless check */
	VERDICT_BENIGN,	       /* equals truth although an update had set the bit */
	VERDICT_STALE_USE,     /* leads elsewhere than truth, or grants more */
	VERDICT_STALE_REFUSAL, /* refuses what truth allows */
};

/* A request that used a copy with its check bit set, compared with truth. */
struct checked_use {
	uint64_t event;
	const struct dma_request *request; /* cut to one page */
	enum verdict verdict;
	const struct cached_copy *copy; /* the one to blame: the first on the way to the answer */
	struct dma_result served, truth;
	uint32_t matches;	    /* valid copies that the request matches */
	struct cached_copy other;   /* matches > 1: another of them */
	const struct pt_walk *walk; /* of truth, NULL when there was none */
	bool page_freed_table;	    /* a table word was read from a freed page: */
	pa_t table_word;	    /* this one */
	uint64_t table_freed;	    /* by this event */
	/* A write was served without the dirty bit that the tables want set for it. */
	bool undirtied;
	/* The first word on the way that memory holds otherwise than software wrote it, or NULL. */
	const struct memory_behind *behind;
};

/* A fault and what became of its record. */
enum fault_fate {
	FAULT_RECORDED,
	FAULT_COLLAPSED, /* same source pending */
	FAULT_DISABLED,	 /* fault processing disable */
	FAULT_LOST,	 /* overflow stands, or begins with this one */
	FAULT_SILENT,	 /* the manual records nothing */
};
struct fault_report {
	uint64_t event;
	const struct dma_request *request;
	uint16_t code;
	enum fault_fate fate;
	bool interrupt;	 /* this record raised the fault interrupt */
	uint32_t holder; /* lost: another device whose record is pending, or NO_DEVICE */
	/* The record in the memory of a queue, four words, and its slot there; NULL: none. */
	const uint64_t *record;
	uint32_t record_slot;
	/* Bits of it that follow from what a recording may not tell: the direction of an access of
	 * none, the place within its page of one that begins with the page. */
	uint64_t untold[4];
};

/* ---- page requests (PCIe 10.4) --------------------------------------------------------------- */

struct page_request {
	uint64_t time_ns;
	iova_t iova;
	uint32_t device; /* handle */
	uint32_t pasid;	 /* NO_PASID: none */
	uint16_t group;	 /* PRG index, 9 bits */
	bool last;	 /* of its group */
	bool read, write, execute,
		privileged; /* last, pasid, neither read nor write: a stop marker */
	bool private_data;
	uint64_t data[2];
};

/* What became of a page request at the unit; automatic answers come back at once. */
enum page_fate {
	PAGE_QUEUED,
	PAGE_LOST, /* no answer: the queue overflows, and it was not the last of its group */
	PAGE_AUTO_SUCCESS, /* lost too, but the last: the device may ask again */
	PAGE_AUTO_INVALID,
	PAGE_AUTO_FAILURE,
};

enum page_code { PAGE_SUCCESS, PAGE_INVALID, PAGE_FAILURE };
struct page_response {
	uint32_t device, pasid;
	uint16_t group;
	enum page_code code;
};

struct page_report {
	uint64_t event;
	const struct page_request *request;
	enum page_fate fate;
	bool lost;	 /* the queue overflows */
	uint32_t holder; /* another device with requests in the queue, or NO_DEVICE */
};

/* What a model with a page request queue offers. */
struct page_queue_ops {
	/* A request message arrives. */
	enum page_fate (*request)(struct iommu *iommu, uint64_t event,
				  const struct page_request *request);
	/* What software finds in the queue, oldest first; it has seen the interrupt's cause. */
	size_t (*read)(struct iommu *iommu, uint64_t event, struct page_request *requests,
		       size_t max);
	/* Software is through with the first n: their places are free. Once none is left it
	 * clears an overflow; true: it has cleared one. */
	bool (*done)(struct iommu *iommu, uint64_t event, size_t n);
	/* The command by which software answers a group, and back. */
	void (*encode)(const struct iommu *iommu, const struct page_response *response,
		       struct native_command *command);
	bool (*decode)(const struct iommu *iommu, const struct native_command *command,
		       struct page_response *response);
};

/* ---- stalls (SMMUv3, IHI 0070 3.12.2) --------------------------------------------------------- */

/* A transaction that the unit holds until software decides on it, within a page. */
enum stall_state {
	STALL_UNRECORDED, /* its record has no room yet: software cannot know of it */
	STALL_RECORDED,	  /* software finds it in the fault queue, by its tag */
	STALL_AGAIN, /* ended: to be issued again, as if it had just arrived (iommu->reissues) */
	STALL_COMPLETED,  /* ended: tried again by the unit, and served (else) */
	STALL_TERMINATED, /* ended: `end` says what the device sees */
};
struct stall {
	enum stall_state state;
	struct dma_request request;
	uint64_t event;	       /* that brought it here: another one each time that it stalls */
	uint64_t serial;       /* names one stay for ever */
	uint16_t tag;	       /* RECORDED: of no other now */
	uint16_t fault;	       /* the model's code */
	bool told;	       /* of its last step, by next() */
	uint32_t holder;       /* UNRECORDED: another device that has the room, or NO_DEVICE */
	struct dma_result end; /* COMPLETED, TERMINATED */
};

/* What a model with stalls offers. */
struct stall_ops {
	/* The oldest transaction that has taken a step since it was last told; false: there is none, and
	 * iommu->stall_news is cleared. One that has ended is forgotten. */
	bool (*next)(struct iommu *iommu, struct stall *stall);
	/* The command by which software has it tried again, or aborted. */
	void (*encode)(const struct iommu *iommu, const struct stall *stall, bool again,
		       struct native_command *command);
};

/* An invalidation that was executed (X). */
struct inval_report {
	uint32_t removed;  /* translations (final copies) removed */
	uint32_t agreed;   /* of those, with a clear check bit: live and right */
	uint32_t pointers; /* walk-cache entries removed */
	uint32_t stale;	   /* of all these, with the check bit set */
	uint32_t configs;
};

/* An entry of configuration of several words, fetched while it was valid; as software wrote it. */
struct entry_read {
	uint64_t event;
	const struct dma_request *request;
	const char *what; /* static text: "PASID table entry", "STE" */
	pa_t pa;
	uint32_t words;
};

/* A fill from a run of entries that stand for one page together, and do not agree. */
struct run_report {
	uint64_t event;
	const struct dma_request *request;
	const struct cached_copy *filled; /* from the member that was walked */
	pa_t walked, other;		  /* that member, and the first that disagrees */
	uint64_t walked_raw, other_raw;
	uint32_t members, disagree; /* how many there are, and how many are not as the walked one */
};

struct iommu_observer {
	void *self;
	void (*used)(void *self, const struct checked_use *use);
	/* A copy's check bit was set, or it was filled with the bit; it may grant what is gone. */
	void (*copy_opens)(void *self, const struct doubted_copy *copy);
	/* Such a copy was invalidated, evicted, or proven equal to truth. */
	void (*copy_closes)(void *self, uint64_t name);
	/* A fill overlaps valid copies of another size or target: once, with one of them. */
	void (*overlap)(void *self, uint64_t event, const struct dma_request *request,
			const struct cached_copy *filled, const struct cached_copy *valid);
	void (*fault)(void *self, const struct fault_report *report);
	void (*entry_read)(void *self, const struct entry_read *read);
	void (*run_inconsistent)(void *self, const struct run_report *report);
	/* The tag of this device's configuration now stands for another address space while
	 * copies of the old remain. */
	void (*tag_reused)(void *self, uint64_t event, uint32_t device, uint64_t tag,
			   uint32_t old_space, uint32_t space, uint64_t copies);
	/* Software cleared an overflow or pending condition; recording works again. */
	void (*faults_acknowledged)(void *self, bool overflow);
	/* A page request met the unit; software cleared an overflow of their queue. */
	void (*page_requested)(void *self, const struct page_report *report);
	void (*pages_acknowledged)(void *self);
};

/* Every call is there and does nothing: copy it and set those that are listened to. */
extern const struct iommu_observer iommu_observer_silent;

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

/* A name of a vector's config with its value: "rtaddr", "CB.0.TCR". */
struct named_value {
	const char *name, *text;
	uint64_t value;
	bool number; /* text is a number, and value holds it */
};
/* NULL: none of that name. */
const struct named_value *named_value_find(const struct named_value *values, size_t n,
					   const char *name);
/* Only these names, NULL ends them, may be there; -1: the first other one. */
int named_values_only(const char *action, const struct named_value *values, size_t n,
		      const char *const *names, struct err *err);

enum { FAULT_RECORD_WORDS = 8, VECTOR_ANSWER_MAX = 64 };

/* What a model tells of itself: a number, a text, or that there is none ("none" in a file). */
struct told {
	const char *text; /* NULL: value says it; lives until the next call */
	uint64_t value;
	bool none;
};

/* A command queue in memory, as its registers say now. */
struct command_queue {
	pa_t base;
	uint64_t entries; /* a power of two; wrap bits of `tail` above the index are ignored */
	unsigned entry_bytes;
	uint64_t tail_offset; /* of the register that software writes to submit */
	unsigned tail_size;
};

/*
 * What test vectors (docs/vectors.md) need of a model beyond struct iommu_model. Only
 * configure_from and start_from must be there; what is NULL no vector can ask for.
 */
struct iommu_vectors {
	/* Sets in *config, which holds the defaults, what these registers and limits stand for;
	 * -1: an unknown name, or a unit that the model cannot be. */
	int (*configure_from)(void *config, const struct named_value *values, size_t n,
			      struct err *err);
	/* The same for one of `opts` that is no setting ("BBML"). */
	int (*option)(void *config, const struct named_value *option, struct err *err);
	/* After create(): the register writes that bring the unit to this state, translation on. */
	int (*start_from)(struct iommu *iommu, const struct named_value *values, size_t n,
			  struct err *err);
	/* Where a register is; false: none of that name. */
	bool (*find_register)(const struct iommu *iommu, const char *name, uint64_t *offset,
			      unsigned *size);
	/* The newest fault or event record as it stands; answers its words, 0: none. */
	unsigned (*fault_record)(const struct iommu *iommu, uint64_t words[FAULT_RECORD_WORDS]);
	/* The word is part of a queue that hardware writes: no table word that it changed. */
	bool (*in_queue)(const struct iommu *iommu, pa_t pa);
	void (*command_queue)(const struct iommu *iommu, struct command_queue *queue);
	/* Puts the tag of a stalled transaction into a command. */
	void (*put_stag)(struct native_command *command, uint64_t stag);
	/* The words of a command named in words: "CFGI_STE sid=0x10 leaf=1". */
	int (*encode)(const struct iommu *iommu, const char *text, struct native_command *command,
		      struct err *err);
	/*
	 * What devices and drivers do beside: "page_request", "atc_fill", "map". `values` are all
	 * that the step says; answer: what came of it, in words. -1: no such action, or not so.
	 */
	int (*act)(struct iommu *iommu, const char *action, const struct named_value *values,
		   size_t n, char answer[VECTOR_ANSWER_MAX], struct err *err);
	/*
	 * Further fields of what a request met or of the unit's state: "asid", "queue.prod".
	 * `beside` are all values expected in the same map ("name" is EVENTQ, "prod" 4): some say
	 * what is meant. False: not told.
	 */
	bool (*field)(const struct iommu *iommu, const char *name, const struct named_value *beside,
		      size_t n, struct told *told);
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
