/* The parts of the VT-d model among themselves. */
#ifndef IOMMUSIM_HW_VTD_VTD_PRIVATE_H
#define IOMMUSIM_HW_VTD_VTD_PRIVATE_H

#include "hw/ahead.h"
#include "hw/atc.h"
#include "hw/marks.h"
#include "hw/pt/pt_nested.h"
#include "hw/pt/vtd_fs.h"
#include "hw/pt/vtd_ss.h"
#include "hw/vtd/vtd.h"

enum { VTD_ADDRESS_BITS = 57, VTD_TAG_SHIFT = VTD_ADDRESS_BITS - 11 };
enum { VTD_LEVELS_MAX = VTD_FIRST_STAGE_LEVEL };
enum { VTD_FRCD_MAX = 256, VTD_FRO = 0x220, VTD_IRO = 0x100 };

/* GCMD and GSTS bits, FSTS bits. */
enum {
	GSTS_TES = 1u << 31,
	GSTS_RTPS = 1u << 30,
	GSTS_QIES = 1u << 26,
	FSTS_PFO = 1u << 0,
	FSTS_PPF = 1u << 1,
	FSTS_IQE = 1u << 4,
	FSTS_ICE = 1u << 5,
	FSTS_ITE = 1u << 6,
	FSTS_PRO = 1u << 7,
	FECTL_IM = 1u << 31,
	FECTL_IP = 1u << 30,
};

/* RTADDR.TTM. */
enum vtd_table_mode { TTM_LEGACY, TTM_SCALABLE, TTM_RESERVED, TTM_ABORT };

/* How the requests of a context are translated. */
enum vtd_stages { STAGES_SECOND, STAGES_FIRST, STAGES_NESTED, STAGES_PASS };

/* Bits of a device's number in configuration ranges of scalable mode are above the PASID's. */
enum { PASID_BITS = 20 };

/*
 * A configuration entry as decoded; also the form in which caches hold it. Legacy mode: a context
 * entry. Scalable mode: the PASID table entry that a request is translated by, or (in the context
 * cache) a context entry, of which only the fields marked so are in use.
 */
struct vtd_context {
	/* what every request reads comes first */
	iova_t plain;	     /* the loop serves input addresses below; 0: none of this context */
	uint64_t page_tag;   /* tlb_page_tag() of its copies */
	uint64_t tag_bits;   /* tag at its place in the keys of copies */
	iova_t last;	     /* highest input address */
	pa_t root;	     /* of the first stage where there is one, then else of the second */
	struct frame *frame; /* of the top table; NULL: cannot be read */
	uint64_t used;
	uint32_t space;
	uint32_t variant; /* of how the space is walked, as far as copies show it */
	uint32_t tag;	  /* of its copies: the domain id, or a number for domain id and PASID */
	uint32_t ahead;	  /* ahead_begin() of the tag */
	/* Flags of copies of 4 KiB pages that the loop makes, where the way to the page grants
	 * neither, read, write, both */
	uint16_t page_flags[4];
	struct tlb_note pointer; /* to its last table of directories, in walk[1] */
	uint16_t sid, did;
	uint8_t fault;	      /* reason that any request gets, 0: usable */
	uint8_t top;	      /* level of the top table */
	uint8_t stages;	      /* enum vtd_stages */
	bool scalable;	      /* of scalable mode */
	bool legacy_reasons;  /* its paging tables' faults have the reasons of legacy mode */
	uint8_t entry_flags;  /* what every copy carries: TLB_SNOOP with PGSNP */
	bool second_stage_ad; /* accessed and dirty bits in second-stage tables */
	bool second_alone;    /* plain second-stage walks that snoop: what the loop walks itself */
	bool fpd;	      /* of this entry and those that led to it */
	bool check;	      /* may differ from the tables (R1) */
	bool valid;
	bool device_tlb;    /* legacy TT=01, scalable DTE: ATS requests are allowed */
	uint32_t device;    /* handle */
	uint32_t pasid;	    /* it was found by; RID_PASID for requests without one */
	uint8_t input_bits; /* of first-stage tables */
	uint8_t perm;	    /* what the top table is reached with */

	/* PASID table entry: enable bits, and the second stage of nested translation */
	bool own_fpd, supervisor, execute, write_protect, no_execute, smep, extended, snooped;
	uint8_t second_top;
	pa_t second_root, second_last;
	struct frame *second_frame;
	uint32_t second_space;

	/* context entry of scalable mode */
	bool pasids;	    /* PASIDE */
	bool page_requests; /* PRE */
	uint8_t pasids_lg2; /* PASIDs below 2^this exist */
	uint32_t rid_pasid;
	pa_t directory;

	uint64_t words[8], directory_entry;
	pa_t at; /* where words were read */
	uint64_t filled, changed, serial;
};

/* Context cache or PASID cache. */
struct vtd_config_cache {
	struct vtd_context *slots;
	uint64_t n;
};

struct vtd_device {
	_Alignas(32) struct vtd_context
		*context;	   /* of requests without a PASID, or the stand-in, never plain */
	struct vtd_context *outer; /* scalable mode: its context entry, or NULL */
	uint16_t sid;
};

/*
 * What a tag of copies stands for. Tags below 2^(domain id bits) are the domain ids themselves,
 * for second-stage and pass-through copies; those above are pairs of domain id and PASID.
 */
struct vtd_tag {
	uint32_t space; /* whose translations carry it; 0: none */
	uint32_t variant;
	bool conflicted; /* more than one since it was last flushed */
	bool nested;	 /* copies are valid for one generation */
	uint8_t input_bits;
	uint16_t did, generation;
	uint32_t pasid;	  /* of a pair */
	uint32_t next;	  /* pair of the same domain id, 0: none */
	uint64_t changed; /* event of the last new generation */
};

/* Tags under which an address space was walked. */
struct vtd_space {
	uint32_t *tags;
	uint32_t n, max;
	uint64_t state; /* accessed and dirty bits whose clearing matters to copies */
};

/* An address space that nested translation makes, as no frame is its root. */
struct vtd_nested_space {
	pa_t first_root, second_root;
	uint8_t first_top, second_top;
	uint32_t space;
};

/* A device TLB's own translation request: what its answer's comparison with truth found is told of
 * the request that it was made for. */
struct vtd_asking {
	bool on, checked;
	struct cached_copy copy;
	struct checked_use use;
};

struct vtd_counters {
	uint64_t requests, iotlb_hits, iotlb_misses, walk_hits[VTD_LEVELS_MAX], walk_reads,
		context_hits, context_misses, pasid_hits, pasid_misses, state_writes, evictions,
		compared, faults, recorded, collapsed, disabled, lost, interrupts, invalidations,
		undersized, ats_refused, page_requests, pages_queued, pages_lost, page_interrupts,
		page_responses, timed_out;
};

struct vtd {
	struct iommu iommu;
	struct vtd_config config;
	const struct iommu_observer *observer;
	struct tables *tables;
	struct memory *memory;
	uint64_t reserved[2][PT_LEVELS];
	uint64_t first_reserved[2][2][PT_LEVELS]; /* [NXE] */

	struct tlb *iotlb;
	/* Paging-structure caches by level of the table pointed to; NULL: none. */
	struct tlb *walk[VTD_LEVELS_MAX];
	struct tlb *first_walk[VTD_LEVELS_MAX];
	struct vtd_config_cache contexts, pasids;
	struct atc_set atcs;
	struct vtd_asking asking;
	struct vtd_context nobody; /* stand-in for a device without a slot */
	struct vtd_device *devices;
	uint32_t n_devices, max_devices;
	struct vtd_tag *tags;
	uint32_t n_tags, max_tags;
	struct vtd_space *spaces; /* by space number */
	uint32_t n_spaces;
	struct vtd_nested_space *nested_spaces;
	uint32_t n_nested_spaces, max_nested_spaces;

	uint64_t context_clock, serial, rng;
	struct ahead ahead[AHEAD_SLOTS];
	bool looks_ahead; /* plain_loop.h */
	bool conflicts;	  /* no tag is conflicted while it is false */
	bool attention;	  /* the clock must see what happened */
	bool enabled;	  /* GSTS.TES */
	bool removes_pages; /* as configured: what names a page, with the hint, removes that copy alone */
	bool driver_auto; /* vtd.driver_tables was auto; in config it is what was chosen */

	uint32_t gsts, fsts, fectl;
	uint64_t rtaddr, rtaddr_next, iqa, iqh, iqt, iva, ccmd, iotlb_reg;
	uint64_t pqa, pqh, pqt, iqer;
	uint32_t pectl;
	bool prs_pending;
	uint32_t config_space; /* of the root table */
	uint64_t frcd[VTD_FRCD_MAX][2];
	uint32_t frcd_next;
	struct vtd_counters count;
};

/* log2 of the input that a table of that level covers. */
static inline unsigned vtd_region_lg2(unsigned level)
{
	return 12 + 9 * (level + 1);
}

static inline struct vtd *vtd_of(const struct iommu *iommu)
{
	return (struct vtd *)iommu;
}

/* Calls of this model that set check bits (hw/marks.h). */
enum vtd_mark_site {
	MARK_TRANSLATION = 1,
	MARK_POINTER,
	MARK_CONTEXT,
	MARK_OVERLAP_VALID,
	MARK_OVERLAP_FILL,
	MARK_INHERIT_TRANSLATION,
	MARK_INHERIT_POINTER,
	MARK_TAG_COPIES,
	MARK_TAG_FILL,
	MARK_FIRST_POINTER,
	MARK_PASID,
	MARK_INHERIT_PASID,
	MARK_GENERATION,
	MARK_BEHIND,
	MARK_PAGE,
	MARK_SITES
};

static inline enum vtd_table_mode vtd_table_mode(const struct vtd *vtd)
{
	return (enum vtd_table_mode)bits(vtd->rtaddr, 11, 10);
}

static inline uint32_t vtd_domain_ids(const struct vtd *vtd)
{
	return 1u << vtd->config.domain_id_bits;
}

/* The bits of a field that domain ids have. */
static inline uint16_t vtd_domain_id(const struct vtd *vtd, uint64_t field)
{
	return (uint16_t)(field & (vtd_domain_ids(vtd) - 1));
}

/* Where the IOTLB has a 4 KiB page's copy; iova: anywhere in it. */
static inline struct tlb_place vtd_page_place(const struct vtd *vtd, uint32_t tag, iova_t iova)
{
	return tlb_place(vtd->iotlb, (uint64_t)tag << VTD_TAG_SHIFT, iova, 12);
}

/* The configuration entries that a request goes through. */
struct vtd_route {
	struct vtd_context *context; /* what it is translated by; its fault is the request's */
	struct vtd_context *outer;   /* scalable mode: the device's context entry, or NULL */
	bool cached, outer_cached;
	bool behind;		       /* an entry was read that memory lags behind with */
	struct vtd_context scratch[2]; /* where those that no cache holds are: inner, outer */
};

/* The address as the context's tables decode it: without the sign of a canonical address. */
static inline iova_t vtd_input(const struct vtd_context *context, iova_t iova)
{
	return context->input_bits ? iova & page_mask(context->input_bits) : iova;
}

/* FEEx_xxxxh, where writes are interrupt messages. */
enum { INTERRUPT_RANGE_LG2 = 20, INTERRUPT_RANGE = 0xfee };
static inline bool vtd_in_interrupt_range(uint64_t address)
{
	return address >> INTERRUPT_RANGE_LG2 == INTERRUPT_RANGE;
}

static inline bool vtd_meets_interrupt_range(pa_t page, unsigned page_lg2)
{
	unsigned lg2 = page_lg2 > INTERRUPT_RANGE_LG2 ? page_lg2 : INTERRUPT_RANGE_LG2;

	return (page ^ (pa_t)INTERRUPT_RANGE << INTERRUPT_RANGE_LG2) >> lg2 == 0;
}

static inline bool vtd_route_checked(const struct vtd_route *route)
{
	return route->context->check || (route->outer && route->outer->check) || route->behind;
}

/* What configuration is read through (ECAP.C); NULL: it is snooped. */
static inline struct memory_view *vtd_config_view(const struct vtd *vtd)
{
	return vtd->config.coherency ? NULL : vtd->memory->view;
}

/* What the tables of a context are read through (ECAP.C, PWSNP); NULL: they are snooped. */
static inline struct memory_view *vtd_walk_view(const struct vtd *vtd,
						const struct vtd_context *context)
{
	bool snoops = context->scalable ? context->snooped : vtd->config.coherency;

	return snoops ? NULL : vtd->memory->view;
}

/* vtd_context.c: view NULL reads what software wrote */
extern const struct table_role vtd_root_role;
bool vtd_read_words(const struct vtd *vtd, struct memory_view *view, pa_t pa, unsigned n,
		    uint64_t *words);
bool vtd_width_supported(const struct vtd_config *config, unsigned width);
void vtd_set_tables(const struct vtd *vtd, struct vtd_context *context, pa_t root, unsigned top);
void vtd_context_read(const struct vtd *vtd, struct memory_view *view, uint16_t sid,
		      struct vtd_context *context);

/* vtd_scalable.c */
extern const struct table_role vtd_scalable_root_role;
enum { VTD_LEVEL_PASID_TABLE, VTD_LEVEL_PASID_DIRECTORY, VTD_LEVEL_CONTEXT, VTD_LEVEL_ROOT };
void vtd_scalable_context_read(const struct vtd *vtd, struct memory_view *view, uint16_t sid,
			       struct vtd_context *context);
unsigned vtd_scalable_refuses(const struct vtd *vtd, const struct vtd_context *outer,
			      const struct dma_request *request);

/* vtd_pasid.c */
extern const struct table_role vtd_pasid_directory_role;
void vtd_pasid_read(const struct vtd *vtd, struct memory_view *view,
		    const struct vtd_context *outer, uint32_t pasid, struct vtd_context *context);

/* vtd_config.c */
void vtd_route_read(const struct vtd *vtd, const struct dma_request *request,
		    struct vtd_route *route);
void vtd_route_find(struct vtd *vtd, const struct dma_request *request, struct vtd_route *route);
void vtd_config_drop(struct vtd *vtd, struct vtd_context *context);
void vtd_config_proven(struct vtd *vtd, struct vtd_context *context);
void vtd_config_copy(const struct vtd *vtd, const struct vtd_context *context,
		     struct cached_copy *copy);
void vtd_config_mark(struct vtd *vtd, uint64_t first, uint64_t last, unsigned level);

/* vtd_tags.c */
uint32_t vtd_space_of(const struct vtd *vtd, const struct vtd_context *context);
void vtd_tag_take(struct vtd *vtd, struct vtd_context *context);
void vtd_tag_use(struct vtd *vtd, struct vtd_context *context);
bool vtd_tag_of_pair(const struct vtd *vtd, uint16_t did, uint32_t pasid, uint32_t *tag);
void vtd_tag_flushed(struct vtd *vtd, uint32_t tag, bool any);
void vtd_tag_new_generation(struct vtd *vtd, uint32_t tag);
void vtd_space_know(struct vtd *vtd, uint32_t space, uint32_t tag, uint64_t state);

/* vtd_copies.c */
void vtd_copy_of(const struct vtd *vtd, const struct tlb *tlb, const struct tlb_at *at,
		 struct cached_copy *copy);
void vtd_copy_closes(struct vtd *vtd, const struct tlb *tlb, const struct tlb_at *at);
void vtd_copy_opens(struct vtd *vtd, const struct tlb *tlb, const struct tlb_at *at);
void vtd_copies_emptied(struct vtd *vtd, struct tlb *tlb); /* evicts all */
void vtd_copy_evicted(struct vtd *vtd, const struct tlb *tlb, struct tlb_evicted *gone);
bool vtd_fill_overlaps(struct vtd *vtd, const struct dma_request *request, iova_t input,
		       const struct vtd_context *context, const struct pt_walk *walk);
void vtd_tables_changed(struct iommu *iommu, uint64_t event, const struct table_change *changes,
			uint32_t n);
void vtd_mark_tag(struct vtd *vtd, uint32_t tag, unsigned reason);
uint64_t vtd_tag_copies(struct vtd *vtd, uint32_t tag);
void vtd_tag_remove(struct vtd *vtd, uint32_t tag, bool any_pair);
uint64_t vtd_visit_all(struct vtd *vtd, const struct tlb_scope *scope, tlb_visitor *visit,
		       void *ctx);

/* vtd_walk.c */
struct vtd_answer { /* one page's translation, from caches or from truth */
	struct dma_result result;
	struct vtd_route route;
	struct pt_walk walk;
	bool walked;
};
void vtd_truth(const struct vtd *vtd, const struct dma_request *request, struct vtd_answer *answer);
void vtd_walk_result(const struct vtd *vtd, const struct dma_request *request,
		     const struct vtd_context *context, const struct pt_walk *walk,
		     struct dma_result *result);
void vtd_refuse(const struct dma_request *request, unsigned reason, struct dma_result *result);
bool vtd_before_translation(const struct vtd *vtd, const struct dma_request *request,
			    const struct vtd_context *context, struct dma_result *result);
unsigned vtd_first_denied(const struct dma_request *request, const struct vtd_context *context,
			  unsigned perm);
unsigned vtd_denied(const struct vtd *vtd, const struct dma_request *request,
		    const struct vtd_context *context, unsigned perm);
void vtd_deliver(const struct vtd *vtd, const struct dma_request *request,
		 const struct vtd_context *context, const struct pt_walk *walk,
		 struct dma_result *result);

/* vtd_stages.c */
/* The lowest table that a walk reached, as far as its entries let it. */
static inline uint8_t vtd_lowest(const struct pt_walk *walk)
{
	return (uint8_t)(walk->status == PT_UNREADABLE ? walk->level + 1u : walk->level);
}
struct pt_root vtd_top(const struct vtd *vtd, const struct vtd_context *context);
/* writer: the same vtd, to set accessed and dirty bits and watch what was read, or NULL. */
void vtd_walk(const struct vtd *vtd, const struct dma_request *request,
	      const struct vtd_context *context, const struct pt_root *root, struct vtd *writer,
	      struct pt_walk *walk, struct dma_result *result);
static inline bool vtd_second_alone(const struct vtd_context *context)
{
	return context->second_alone;
}

/* vtd_reasons.c */
const char *vtd_fault_name(uint16_t code);
bool vtd_fault_is_missing(uint16_t code);
bool vtd_fault_qualified(uint16_t code);
enum vtd_ats_answer { ATS_NOTHING, ATS_UNSUPPORTED, ATS_ABORT }; /* of a translation request */
enum vtd_ats_answer vtd_fault_ats(uint16_t code);

/* vtd_translate.c */
void vtd_serve(struct vtd *vtd, const struct dma_request *request, struct dma_result *result);
void vtd_serve_truth(struct vtd *vtd, const struct dma_request *request, struct dma_result *result);
/* One page from caches and tables; a fault is in *result, nothing is recorded of it. */
void vtd_answer(struct vtd *vtd, const struct dma_request *request, struct vtd_route *route,
		struct dma_result *result);

/* vtd_loop.c */
size_t vtd_translate(struct iommu *iommu, uint64_t first_event, const struct dma_request *requests,
		     struct dma_result *results, size_t n);
size_t vtd_translate_plain(struct iommu *iommu, const struct dma_run *run,
			   struct dma_result *results);
void vtd_truth_result(struct iommu *iommu, const struct dma_request *request,
		      struct dma_result *result);

/* vtd_compare.c */
/* Whether a cached entry says what the tables say; truth: that of the uncached route, or NULL. */
bool vtd_entry_equals(const struct vtd_context *entry, const struct vtd_context *truth);
struct vtd_path { /* the copies that an answer came from */
	const struct vtd_route *route;
	const struct tlb *tlb; /* the IOTLB, or the walk cache of the pointer */
	struct tlb_at at;
	bool any; /* tlb and at are set */
};
enum verdict vtd_judge(const struct dma_result *served, const struct dma_result *truth,
		       unsigned reasons);
void vtd_prove_route(struct vtd *vtd, const struct vtd_route *route, const struct vtd_route *truth);
/* The route's first entry whose check bit is set. */
void vtd_route_copy(const struct vtd *vtd, const struct vtd_route *route, struct cached_copy *copy);
/* truth: from before the request was served, which may have set accessed and dirty bits. */
void vtd_compare(struct vtd *vtd, const struct dma_request *request, const struct vtd_path *path,
		 const struct dma_result *served, const struct pt_walk *walk,
		 const struct vtd_answer *truth);

/* vtd_ats.c */
/* What a device's TLB has a part in; false: nothing, the request goes to the unit as it is. */
bool vtd_ats(struct vtd *vtd, const struct dma_request *request, struct dma_result *result);
bool vtd_ats_truth(struct vtd *vtd, const struct dma_request *request, struct dma_result *result);
void vtd_ats_invalidate(struct vtd *vtd, const struct native_command *command,
			struct inval_report *report);
void vtd_ats_mark_config(struct vtd *vtd, uint64_t first, uint64_t last);
void vtd_atc_timed_out(struct iommu *iommu, uint64_t event, uint32_t device);

/* vtd_prq.c */
extern const struct page_queue_ops vtd_pages;
bool vtd_page_reg_write(struct vtd *vtd, uint64_t event, uint64_t offset, uint64_t value,
			unsigned size);
bool vtd_page_reg_read(const struct vtd *vtd, uint64_t offset, unsigned size, uint64_t *value);

/* vtd_fault.c */
void vtd_fault(struct vtd *vtd, const struct dma_request *request, uint16_t sid, bool fpd,
	       uint16_t code);
void vtd_fault_condition(struct vtd *vtd, uint32_t fsts_bit);
bool vtd_fault_reg_write(struct vtd *vtd, uint64_t offset, uint64_t value, unsigned size);
bool vtd_fault_reg_read(const struct vtd *vtd, uint64_t offset, unsigned size, uint64_t *value);
void vtd_acknowledge_faults(struct iommu *iommu, uint64_t event);

/* vtd_inval.c */

bool vtd_encode(const struct iommu *iommu, const struct invalidation *what,
		struct native_command *command, struct invalidation *covers);
bool vtd_decode(const struct iommu *iommu, const struct native_command *command,
		struct invalidation *what);
int vtd_execute(struct iommu *iommu, uint64_t event, const struct native_command *command,
		struct inval_report *report, struct err *err);
void vtd_flush_all(struct vtd *vtd);
void vtd_drop_configs(struct vtd *vtd);
bool vtd_needs_wide(uint64_t low);

/* vtd_descriptors.c */
enum vtd_descriptor {
	QI_CONTEXT = 1,
	QI_IOTLB,
	QI_DEVICE_TLB,
	QI_INTERRUPT,
	QI_WAIT,
	QI_PASID_IOTLB,
	QI_PASID_CACHE,
	QI_PASID_DEVICE_TLB,
	QI_PAGE_RESPONSE,
};
enum { GRANULARITY_GLOBAL = 1, GRANULARITY_DOMAIN, GRANULARITY_SELECTIVE };
enum { QI_TYPE = 0xe0f, QI_GRANULARITY = 0x30 }; /* bits of the low word; [11:9] are type too */
#define QI_IOTLB_RESERVED_LOW 0xffffffff0000f100
#define QI_IOTLB_RESERVED_HIGH 0xf80
enum { QI_DW_BIT = 6, QI_DR_BIT = 7, QI_IH_BIT = 6, QI_PD_BIT = 7, QI_PRIVATE_BIT = 5 };
/* PASID of types 6 to 8; G of type 7: all of the domain is 0. */
static inline uint32_t vtd_descriptor_pasid(uint64_t low)
{
	return (uint32_t)bits(low, 51, 32);
}
const char *vtd_descriptor_error(const struct vtd *vtd, const struct native_command *command);

/* vtd_driver.c */
void vtd_expect(struct iommu *iommu, const struct recorded_use *use);
int vtd_start(struct iommu *iommu, pa_t root);
bool vtd_drives_first(const struct vtd *vtd);
size_t vtd_start_rows(const struct iommu *iommu, struct table_row rows[START_ROWS]);
uint64_t vtd_config_bytes(const struct iommu *iommu);
size_t vtd_attach_words(const struct iommu *iommu, struct attachment *attachment,
			struct table_word words[ATTACH_WORDS]);
int vtd_dirty_words(const struct iommu *iommu, uint32_t requester_id, bool on,
		    struct table_word words[2]);
const struct pt_format *vtd_format(const struct iommu *iommu);
unsigned vtd_levels(const struct iommu *iommu);
unsigned vtd_address_bits(const struct iommu *iommu, unsigned levels);
unsigned vtd_pa_bits(const struct iommu *iommu);
bool vtd_page_supported(const struct iommu *iommu, unsigned level);
uint64_t vtd_n_tags(const struct iommu *iommu);
enum domain_tag vtd_tag_kind(const struct iommu *iommu);

/* vtd_vectors_act.c */
int vtd_vector_act(struct iommu *iommu, const char *action, const struct named_value *values,
		   size_t n, char answer[VECTOR_ANSWER_MAX], struct err *err);
bool vtd_vector_in_queue(const struct iommu *iommu, pa_t pa);

/* vtd_regs.c */
/* The 64-bit registers may be written as two halves. */
uint64_t vtd_merged(uint64_t old, uint64_t value, bool upper, unsigned size);
bool vtd_reg_write(struct iommu *iommu, uint64_t event, uint64_t offset, uint64_t value,
		   unsigned size);
bool vtd_reg_read(struct iommu *iommu, uint64_t offset, unsigned size, uint64_t *value);

#endif
