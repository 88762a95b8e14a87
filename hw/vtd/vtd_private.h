/* The parts of the VT-d model among themselves. */
#ifndef IOMMUSIM_HW_VTD_VTD_PRIVATE_H
#define IOMMUSIM_HW_VTD_VTD_PRIVATE_H

#include "hw/pt/vtd_ss.h"
#include "hw/vtd/vtd.h"

enum { VTD_LEVELS_MAX = 5, VTD_FRCD_MAX = 256, VTD_FRO = 0x220, VTD_IRO = 0x100 };

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
	FECTL_IM = 1u << 31,
	FECTL_IP = 1u << 30,
};

/* A context entry as decoded; also the form in which the context cache holds it. */
struct vtd_context {
	/* what every request reads comes first */
	iova_t plain; /* the loop serves input addresses below; 0: none of this context */
	iova_t last;  /* highest input address */
	pa_t root;
	struct frame *frame; /* of the top table; NULL: cannot be read */
	uint64_t used;
	uint32_t space;
	uint16_t sid, did;
	uint8_t fault; /* reason that any request gets, 0: usable */
	uint8_t top;   /* level of the top table */
	bool fpd;
	bool check; /* may differ from the tables (R1) */
	bool valid;
	uint8_t translation_type;
	uint32_t device; /* handle */

	uint64_t low, high;
	uint64_t filled, changed, serial;
};

struct vtd_device {
	struct vtd_context *context; /* its slot, or the stand-in, which is never plain */
	uint16_t sid;
};

/* What is known of a domain id. */
struct vtd_tag {
	uint32_t space;	 /* whose translations carry it; 0: none */
	bool conflicted; /* more than one since it was last flushed */
};

/* Domain ids under which an address space was walked. */
struct vtd_space {
	uint16_t *dids;
	uint32_t n, max;
};

struct vtd_counters {
	uint64_t requests, iotlb_hits, iotlb_misses, walk_hits[VTD_LEVELS_MAX], walk_reads,
		context_hits, context_misses, evictions, compared, faults, recorded, collapsed,
		disabled, lost, interrupts, invalidations, undersized;
};

struct vtd {
	struct iommu iommu;
	struct vtd_config config;
	const struct iommu_observer *observer;
	struct tables *tables;
	struct memory *memory;
	uint64_t reserved[2][PT_LEVELS];

	struct tlb *iotlb;
	struct tlb *walk[VTD_LEVELS_MAX]; /* by level of the table pointed to; NULL: none */
	struct vtd_context *contexts;	  /* the context cache */
	struct vtd_context nobody;	  /* stand-in for a device without a slot */
	struct vtd_device *devices;
	uint32_t n_devices, max_devices;
	struct vtd_tag *tags;	  /* by domain id */
	struct vtd_space *spaces; /* by space number */
	uint32_t n_spaces;

	uint64_t context_clock, serial, rng;
	bool attention; /* the clock must see what happened */
	bool enabled;	/* GSTS.TES */

	uint32_t gsts, fsts, fectl;
	uint64_t rtaddr, rtaddr_next, iqa, iqh, iqt, iva, ccmd, iotlb_reg;
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

/*
 * A call that sets check bits. `make test-marks` builds with MARK_OMIT and leaves out one at a
 * time: --verify must then fail.
 */
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
	MARK_SITES
};
#ifdef MARK_OMIT
extern int mark_omit;
#define MARK(site) ((site) != mark_omit)
#else
#define MARK(site) 1
#endif

/* vtd_context.c */
extern const struct table_role vtd_root_role;
void vtd_context_read(const struct vtd *vtd, uint16_t sid, struct vtd_context *context);
struct vtd_context *vtd_context_find(struct vtd *vtd, const struct dma_request *request,
				     struct vtd_context *scratch);
void vtd_context_drop(struct vtd *vtd, struct vtd_context *context);
void vtd_context_proven(struct vtd *vtd, struct vtd_context *context);
void vtd_context_copy(const struct vtd_context *context, struct cached_copy *copy);
void vtd_context_mark(struct vtd *vtd, uint16_t first, uint16_t last);
void vtd_tag_flushed(struct vtd *vtd, uint32_t did, bool any);

/* vtd_copies.c */
void vtd_copy_of(const struct vtd *vtd, const struct tlb *tlb, const struct tlb_at *at,
		 struct cached_copy *copy);
void vtd_copy_closes(struct vtd *vtd, const struct tlb *tlb, const struct tlb_at *at);
void vtd_copy_opens(struct vtd *vtd, const struct tlb *tlb, const struct tlb_at *at);
void vtd_copy_evicted(struct vtd *vtd, const struct tlb *tlb, struct tlb_evicted *gone);
bool vtd_fill_overlaps(struct vtd *vtd, const struct dma_request *request, uint32_t did,
		       const struct pt_walk *walk, uint32_t space);
void vtd_mark(struct vtd *vtd, const struct table_change *change);
void vtd_mark_tag(struct vtd *vtd, uint32_t did);
uint64_t vtd_tag_copies(struct vtd *vtd, uint32_t did);

/* vtd_walk.c */
struct vtd_answer { /* one page's translation, from caches or from truth */
	struct dma_result result;
	struct vtd_context context;
	struct pt_walk walk;
	bool walked;
};
void vtd_truth(const struct vtd *vtd, const struct dma_request *request, struct vtd_answer *answer);
void vtd_walk_result(const struct vtd *vtd, const struct dma_request *request,
		     const struct pt_walk *walk, unsigned top, struct dma_result *result);
void vtd_refuse(const struct dma_request *request, unsigned reason, struct dma_result *result);
bool vtd_before_translation(const struct vtd *vtd, const struct dma_request *request,
			    const struct vtd_context *context, struct dma_result *result);

/* vtd_translate.c */
size_t vtd_translate(struct iommu *iommu, uint64_t first_event, const struct dma_request *requests,
		     struct dma_result *results, size_t n);
void vtd_truth_result(struct iommu *iommu, const struct dma_request *request,
		      struct dma_result *result);

/* vtd_compare.c */
struct vtd_path { /* the copies that an answer came from */
	struct vtd_context *context;
	bool cached_context;
	const struct tlb *tlb; /* the IOTLB, or the walk cache of the pointer */
	struct tlb_at at;
	bool any; /* tlb and at are set */
};
void vtd_compare(struct vtd *vtd, const struct dma_request *request, const struct vtd_path *path,
		 const struct dma_result *served, const struct pt_walk *walk,
		 struct vtd_answer *truth);

/* vtd_fault.c */
void vtd_fault(struct vtd *vtd, const struct dma_request *request, uint16_t sid, bool fpd,
	       uint16_t code);
void vtd_fault_condition(struct vtd *vtd, uint32_t fsts_bit);
bool vtd_fault_reg_write(struct vtd *vtd, uint64_t offset, uint64_t value, unsigned size);
bool vtd_fault_reg_read(const struct vtd *vtd, uint64_t offset, unsigned size, uint64_t *value);
void vtd_acknowledge_faults(struct iommu *iommu, uint64_t event);

/* vtd_inval.c */
void vtd_encode(const struct iommu *iommu, const struct invalidation *what,
		struct native_command *command);
bool vtd_decode(const struct iommu *iommu, const struct native_command *command,
		struct invalidation *what);
int vtd_execute(struct iommu *iommu, uint64_t event, const struct native_command *command,
		struct inval_report *report, struct err *err);
void vtd_flush_all(struct vtd *vtd);

/* vtd_regs.c */
bool vtd_reg_write(struct iommu *iommu, uint64_t event, uint64_t offset, uint64_t value,
		   unsigned size);
bool vtd_reg_read(struct iommu *iommu, uint64_t offset, unsigned size, uint64_t *value);

#endif
