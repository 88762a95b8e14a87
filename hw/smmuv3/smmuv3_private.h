/* The parts of the SMMUv3 model among themselves. */
#ifndef IOMMUSIM_HW_SMMUV3_SMMUV3_PRIVATE_H
#define IOMMUSIM_HW_SMMUV3_SMMUV3_PRIVATE_H

#include "hw/ahead.h"
#include "hw/atc.h"
#include "hw/marks.h"
#include "hw/pt/arm_lpae.h"
#include "hw/smmuv3/smmuv3.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/*
 * Data words of the TLB and of walk caches, beside what hw/tlb.h defines: TLB_PERM is what an
 * unprivileged access may do, the same shifted by PRIVILEGED_SHIFT what a privileged one may. A
 * writable-clean page (DBM, 3.13) has its write permission in the CLEAN bits until a write made it
 * dirty.
 */
enum { PRIVILEGED_SHIFT = 6, CLEAN_SHIFT = 9, LEVEL1_SHIFT = 52, LEVEL2_SHIFT = 54 };
#define COPY_CLEAN (3ull << CLEAN_SHIFT)
#define COPY_STAGE1 (1ull << 56)
#define COPY_STAGE2 (1ull << 57)
#define COPY_DEVICE (1ull << 58) /* IPA cache: memory of a Device type, for S2PTW */
#define COPY_ATTRIBUTES (TLB_PERM | (uint64_t)TLB_PERM << PRIVILEGED_SHIFT | COPY_CLEAN)

/* Calls of this model that set check bits (hw/marks.h). */
enum smmu_mark_site {
	SMMU_MARKS = 200, /* numbers of the sites that follow count from here */
	MARK_SMMU_TRANSLATION,
	MARK_SMMU_POINTER,
	MARK_SMMU_STAGE2_GENERATION,
	MARK_SMMU_NESTED_GENERATION,
	MARK_SMMU_NESTED_POINTER,
	MARK_SMMU_STE,
	MARK_SMMU_CD,
	MARK_SMMU_REGISTERS,
	MARK_SMMU_INHERIT_STE,
	MARK_SMMU_INHERIT_CD,
	MARK_SMMU_OVERLAP_VALID,
	MARK_SMMU_OVERLAP_FILL,
	MARK_SMMU_TAG_COPIES,
	MARK_SMMU_TAG_FILL,
	MARK_SMMU_RUN,
	MARK_SMMU_INHERIT_TRANSLATION,
	MARK_SMMU_INHERIT_POINTER,
	MARK_SMMU_DIRTY,
	MARK_SMMU_IPA,
	MARK_SMMU_INHERIT_IPA,
	MARK_SMMU_PAGE,
	MARK_SMMU_TAG_FILL_PART,
	MARK_SMMU_IPA_RUN,
};

enum world { WORLD_EL1, WORLD_EL1_IPA, WORLD_EL2, WORLD_EL2_E2H };

/* What copies are tagged with (3.17), and the tables that this stands for now. */
struct smmu_tag {
	uint64_t id;   /* all of world, VMID, ASID and `global`: smmu_tag_id() */
	uint64_t form; /* hash of the configuration its copies were made under; 0: none yet */
	uint32_t space;
	uint16_t vmid, asid;
	uint8_t world; /* enum world */
	bool global;
	bool conflicted; /* stands for several forms since it was last flushed */
	bool lasting;	 /* conflicted for ever: its tables cannot be watched */
};
static inline uint64_t smmu_tag_id(enum world world, uint16_t vmid, uint16_t asid, bool global)
{
	return vmid | (uint64_t)asid << 16 | (uint64_t)world << 32 | (uint64_t)global << 34;
}

/* How an address space is walked: one table base register of a configuration. */
struct smmu_user {
	uint32_t tag, global_tag;
	uint64_t base; /* key address of its input 0 */
	bool stage2;
	bool whole; /* the root lies inside of a frame: changes say nothing of the input range */
};
struct smmu_space {
	struct smmu_user *users;
	uint32_t n, max;
	bool watched;  /* configuration was read from its frame */
	uint32_t vmid; /* nested walks read through it: a change raises this VMID's generation */
	bool nested, several; /* several: so do those of other VMIDs */
};

/* One stage's table base: TTB0, TTB1 or S2TTB with what goes with it. */
struct smmu_half {
	pa_t root;
	uint32_t space;
	uint8_t granule_lg2, top; /* top: level of the root table */
	uint8_t input_bits, output_bits;
	bool on, tbi, had, e0pd, watched;
};

struct smmu_fault {
	uint16_t event; /* 0: none */
	bool s2, write_failed, is_config;
	bool bypass; /* stage-1 bypass: always abort and record */
	uint8_t class;
	int8_t level; /* the manual's */
	uint64_t ipa, fetch;
};
enum fault_class { CLASS_CD, CLASS_TT, CLASS_IN };

/* An STE as fetched and decoded; what the configuration cache holds. */
struct smmu_ste {
	uint64_t words[8];
	pa_t at, l1_at; /* of the STE, and of the L1STD that led to it or 0 */
	struct smmu_fault fault;
	bool stage1, stage2, bypass, abort;
	enum world world;
	uint16_t vmid;
	uint8_t s1fmt, cdmax, dss, eats, privcfg, instcfg;
	bool stalld, s2ptw, s2affd, s2ha, s2hd, s2s, s2r, mev, ppar;
	pa_t context_ptr;
	struct smmu_half s2;
};

/* A frame that configuration was read from: a change there reports this space and index. */
struct smmu_watched {
	uint32_t space, index; /* index: in units of 16 bytes */
};

/* What a miss in the loop needs of a plain context (smmuv3_loop.c). */
struct smmu_quick {
	bool usual; /* false: walks of this context are not made in the loop */
	uint32_t space;
	uint64_t beyond;	       /* output bits that are an address size fault */
	uint64_t leaf_care, leaf_want; /* further bits of a leaf that have to be so */
	uint64_t leaf, above, perm;    /* attributes of the last leaf that was different */
	uint64_t mark;		       /* COPY_STAGE1 or COPY_STAGE2 */
};

/* A stream's or substream's whole configuration; what requests are served with. */
struct smmu_context {
	iova_t plain;	     /* inputs below this take the fast loop; 0: none */
	uint64_t page_tag;   /* tlb_page_tag() of its translations */
	uint64_t tag_bits;   /* tag, at its place in keys */
	uint32_t tag;	     /* of its translations */
	uint32_t ahead;	     /* ahead_begin() of the tag */
	uint8_t shift;	     /* fast loop: 0, or PRIVILEGED_SHIFT when always privileged */
	uint8_t clean_shift; /* brings the CLEAN bit of that privilege to where TLB_WRITE is */
	bool stage1, stage2; /* that translate: S1DSS may bypass stage 1 */
	uint64_t used;
	struct smmu_quick quick;
	struct tlb_note pointer; /* to its last table of directories, in walk[stage][1] */
	iova_t plain_when_clear;
	uint32_t global_tag;
	bool valid, check, nested;
	uint32_t sid, ssid, device;
	uint32_t tag2; /* of stage-2 walks */
	struct smmu_fault fault;
	bool s1_bypass;
	bool affd, ha, hd, wxn, pan, abort_on_fault, record, stall;
	uint16_t asid;
	struct smmu_half half[2];
	struct smmu_ste ste;
	uint64_t cd[8];
	pa_t cd_at, l1cd_at;		/* 0: none */
	struct smmu_watched watched[2]; /* L1CD and CD */
	bool unwatched;			/* a frame is a page table too: compare always */
	uint32_t generation;		/* nested: of the VMID when last known to equal truth */
	uint64_t filled, changed, serial;
};

/* A cached STE. */
struct smmu_stream {
	struct smmu_ste ste;
	uint32_t sid;
	struct smmu_watched watched[2]; /* L1STD and STE */
	bool valid, check, unwatched;
	uint64_t used, filled, changed, serial;
};

struct smmu_device {
	struct smmu_context *context; /* of requests without PASID, or the stand-in */
	uint32_t sid;
	bool gone; /* it answers no invalidation */
};

/* StreamIDs of the entries in a queue, as far as it was looked through: up to two different ones. */
struct smmu_holders {
	uint64_t base;
	uint32_t from, upto; /* entries; from: cons then */
	uint32_t n, sids[2];
};

struct smmu_queue {
	uint64_t base;
	uint32_t prod, cons;
	uint8_t log2;
	struct smmu_holders holders;
};

struct smmu_counters {
	uint64_t requests, hits, misses, walk_hits[2][ARM_LEVELS], walk_reads, ipa_hits,
		config_hits, config_misses, evictions, compared, faults, recorded, merged, silent,
		disabled, lost, interrupts, commands, invalidations, ttl_left, stalls, stalls_held,
		stalls_starved, stalls_ended, pri_queued, pri_lost, flag_updates, run_inconsistent;
};

/* An ATC's own translation request: what its answer's comparison with truth found is told of the
 * request that it was made for. */
struct smmu_asking {
	bool on, checked;
	struct cached_copy copy;
	struct checked_use use;
};

struct smmu {
	struct iommu iommu;
	struct smmuv3_config config;
	const struct iommu_observer *observer;
	struct tables *tables;
	struct memory *memory;

	struct tlb *tlb;
	struct tlb *walk[2][ARM_LEVELS]; /* [stage - 1][level of the table pointed to] */
	struct tlb *ipa;		 /* NULL: there is none */
	struct smmu_stream *streams;
	struct smmu_context *contexts;
	struct smmu_context nobody; /* stand-in for a device without a context */
	struct smmu_device *devices;
	uint32_t n_devices, max_devices;
	struct smmu_tag *tags; /* tag 0 is nobody's */
	uint32_t n_tags, max_tags;
	uint32_t *tag_index; /* open addressing over tags */
	uint32_t n_tag_index;
	struct smmu_space *spaces;
	uint32_t n_spaces;
	uint32_t *vmid_generation;
	uint32_t nested_generation;  /* of all VMIDs */
	bool any_global, any_nested; /* of copies, of configurations so far */
	bool removes_pages; /* as configured: a command for a page removes that copy of its tag alone */
	bool not_plain;	    /* a copy so far was global, nested, clean, or of a contiguous set */
	bool dirty
		[2]
		[2]; /* [stage - 1][HD]: such a configuration was used: with both, they may share */

	uint64_t clock, serial;
	bool attention, enabled;
	uint32_t cr0, cr1, cr2, gbpa, irq_ctrl, gerror, gerrorn;
	uint64_t strtab_base, strtab_cfg;
	struct smmu_queue cmdq, evtq, priq;
	uint8_t cmdq_error;
	bool atc_timed_out; /* an ATC_INV since the last CMD_SYNC was not answered */
	pa_t layout;	    /* where start() laid out the stream table */
	uint64_t last_record[4];

	struct stall *stalls; /* oldest first, ended ones until they are told or make room */
	uint32_t n_stalls, max_stalls;
	uint16_t next_stag;
	uint64_t n_stalled;   /* so far */
	bool resuming;	      /* a stalled transaction is tried again: */
	struct stall resumed; /* and stalled again */

	struct atc_set atcs;
	struct smmu_asking asking;
	struct smmuv3_detail detail;
	struct dma_request last; /* detail_due: served by the loop, which notes no detail */
	bool detail_due;
	struct smmu_counters count;
	bool looks_ahead; /* plain_loop.h */
	struct ahead ahead[AHEAD_SLOTS];
};

static inline struct smmu *smmu_of(const struct iommu *iommu)
{
	return (struct smmu *)iommu;
}

/* Rules R4: what a combined copy, or a CD fetched through stage 2, is compared with. */
static inline uint32_t smmu_vmid_generation(const struct smmu *smmu, uint32_t vmid)
{
	return smmu->vmid_generation[vmid] + smmu->nested_generation;
}

/* ---- keys: an input address with the half it lies in as bit 52 -------------------------------- */

enum { KEY_BITS = 53, TAG_SHIFT = KEY_BITS - 11 };
enum { SMMU_TAGS_MAX = (1 << (64 - TAG_SHIFT)) - 1 };

static inline iova_t smmu_key(iova_t va, bool upper)
{
	return (va & low_mask(52)) | (uint64_t)upper << 52;
}

static inline iova_t smmu_unkey(iova_t key)
{
	return bit(key, 52) ? key | ~low_mask(52) : key;
}

/* Where the TLB has a 4 KiB page's copy; key: anywhere in it. */
static inline struct tlb_place smmu_page_place(const struct smmu *smmu, uint32_t tag, iova_t key)
{
	return tlb_place(smmu->tlb, (uint64_t)tag << TAG_SHIFT, key, 12);
}

/* smmuv3_config.c: from a StreamID and SubstreamID to a configuration */
void smmu_ste_read(struct smmu *smmu, uint32_t sid, bool cached, struct smmu_ste *ste);
struct smmu_walker;
void smmu_context_read(struct smmu *smmu, uint32_t sid, uint32_t ssid, const struct smmu_ste *ste,
		       struct smmu_context *context, struct smmu_walker *walker);
extern const struct table_role smmu_watch_role;
bool smmu_read(const struct smmu *smmu, pa_t pa, uint64_t *value);
/* The same of tables and configuration: as the unit reads them if cached, else as software wrote. */
bool smmu_fetch(const struct smmu *smmu, bool cached, pa_t pa, uint64_t *value);

/* smmuv3_ste.c, smmuv3_cd.c: fields and legality */
void smmu_ste_decode(const struct smmu *smmu, struct smmu_ste *ste);
bool smmu_cd_decode(const struct smmu *smmu, struct smmu_context *context);
unsigned smmu_size_bits(unsigned code);
bool smmu_granule_supported(const struct smmu *smmu, unsigned granule_lg2);

/* smmuv3_cache.c: the configuration cache */
struct smmu_context *smmu_context_find(struct smmu *smmu, const struct dma_request *request,
				       struct smmu_context *scratch);
void smmu_context_drop(struct smmu *smmu, struct smmu_context *context);
/* With every context of the stream. Returns how many entries that were. */
uint32_t smmu_stream_drop(struct smmu *smmu, struct smmu_stream *stream);
void smmu_context_copy(const struct smmu *smmu, const struct smmu_context *context,
		       struct cached_copy *copy);
/* The entry equals the tables again. */
void smmu_context_proven(struct smmu *smmu, struct smmu_context *context);
bool smmu_context_checked(const struct smmu *smmu, const struct smmu_context *context);
void smmu_config_mark(struct smmu *smmu, const struct table_change *change);
void smmu_config_mark_all(struct smmu *smmu);

/* smmuv3_tags.c */
uint32_t smmu_tag(struct smmu *smmu, enum world world, unsigned vmid, unsigned asid, bool global);
void smmu_use_context(struct smmu *smmu, struct smmu_context *context);
/* False: the frame is something else too, and its changes may go by unseen. */
bool smmu_watch(struct smmu *smmu, pa_t pa, struct smmu_watched *watched);
void smmu_watch_root(struct smmu *smmu, const struct smmu_half *half, unsigned frame);
void smmu_watch_nested(struct smmu *smmu, pa_t pa, unsigned vmid);
/* Space of the table at pa, 0: it never was a root. */
uint32_t smmu_space_of(const struct smmu *smmu, pa_t pa);
/* After an invalidation of whole tags: those that stand for one form again are no longer in doubt. */
void smmu_tags_flushed(struct smmu *smmu, bool (*flushed)(void *ctx, const struct smmu_tag *tag),
		       void *ctx);
/* The number of the tag with that id; 0: never met. */
uint32_t smmu_tag_find(const struct smmu *smmu, uint64_t id);
/* A tag as domains are known by: ASID and VMID above it, or the VMID alone for stage 2. */
uint64_t smmu_neutral_tag(const struct smmu *smmu, uint32_t tag);

/* smmuv3_walk.c, smmuv3_stage1.c, smmuv3_stage2.c */
enum { WALK_FILLS = 32 };
struct smmu_fill {
	struct tlb *tlb;
	uint32_t tag;
	iova_t key;
	uint64_t data;
	struct tlb_copy copy;
};
struct smmu_walker {
	struct smmu *smmu;
	const struct smmu_context *context;
	const struct dma_request *request;
	bool cached;   /* walk caches are used and filled; else this is truth */
	bool hardware; /* access flag and dirty state are written */
	bool found;    /* by the lookup before it: a copy that could not answer */
	bool instruction, privileged;
	uint8_t need; /* TLB_PERM bits */

	/* by smmu_begin() */
	const struct smmu_half *half; /* of the stage that sees the input address */
	iova_t key;

	struct smmu_fault fault;
	pa_t pa;       /* of the input address */
	uint64_t data; /* attributes of the copy that this walk would leave, without address */
	uint8_t page_lg2, span_lg2; /* span: with contiguous sets */
	bool uncacheable, global, run_bad;
	struct run_report run;	   /* of the first run whose members disagree */
	int8_t s1_level, s2_level; /* the manual's; -1: none */
	uint8_t contiguous_lg2;
	struct pt_walk report;

	uint8_t stop_stage, stop_level; /* stop_stage not 0: stop at that table */
	bool stopped;
	pa_t table;
	uint64_t table_perm;

	struct smmu_fill fills[WALK_FILLS];
	uint32_t n_fills;
	struct tlb *blamed; /* the first copy used whose check bit is set */
	struct tlb_at blamed_at;
	iova_t blamed_key; /* what was looked for */
	uint64_t freed;	   /* 1 + event; 0: no page read was freed */
	pa_t freed_word;
};
struct smmu_answer;
enum smmu_start { START_WALK, START_FAULT, START_PASS };
void smmu_walker_init(struct smmu *smmu, struct smmu_walker *walker,
		      const struct dma_request *request, bool cached);
/* Everything that decides before tables and caches are looked at, in the order of 7.3.22. */
enum smmu_start smmu_begin(struct smmu_walker *walker, const struct smmu_context *context);
void smmu_walk(struct smmu_walker *walker);
/* A copy in doubt was used. */
void smmu_walk_blames(struct smmu_walker *walker, struct tlb *tlb, const struct tlb_at *at,
		      iova_t key);
void smmu_stage1(struct smmu_walker *walker);

struct smmu_stage2 {
	pa_t pa;
	uint64_t perm; /* as in data words */
	uint8_t page_lg2, span_lg2;
	uint8_t level;
	bool run_bad, uncacheable, device;
};
/* Stage 2 of one address; false: walker->fault, or the walk stopped where it was told to. */
bool smmu_stage2(struct smmu_walker *walker, uint64_t ipa, unsigned need, enum fault_class class,
		 struct smmu_stage2 *out);
/* smmuv3_ipa.c: the answer of the IPA cache; false: it has none. A fault is walker->fault. */
bool smmu_ipa_answers(struct smmu_walker *walker, uint64_t ipa, unsigned need,
		      enum fault_class class, struct smmu_stage2 *out);
/* What a stage-2 walk found is to be kept there. */
void smmu_ipa_keep(struct smmu_walker *walker, uint64_t ipa, const struct smmu_stage2 *out);
/* Whether a copy of it says what the tables say, in the configuration that truth was found in. */
bool smmu_ipa_true(struct smmu *smmu, const struct tlb_at *at, const struct smmu_answer *truth);

/* What a copy with these attributes allows. */
static inline unsigned smmu_allowed(uint64_t data, bool privileged)
{
	unsigned shift = privileged ? PRIVILEGED_SHIFT : 0;

	return ((unsigned)(data >> shift) & TLB_PERM) |
	       (bit(data, CLEAN_SHIFT + privileged) ? TLB_WRITE : 0u);
}
/* A write through it has to make the page dirty first. */
static inline bool smmu_clean(uint64_t data, bool privileged)
{
	return bit(data, CLEAN_SHIFT + privileged);
}

/* One level, of either stage. */
struct smmu_table {
	const struct smmu_half *half;
	unsigned stage, level;
	uint32_t tag;
	iova_t key;  /* of the whole input */
	uint64_t in; /* input bits within the half */
	pa_t table;  /* an IPA in stage 1 of a nested walk */
	uint64_t perm;
};
void smmu_table_start(struct smmu_walker *walker, struct smmu_table *at);
pa_t smmu_table_word(const struct smmu_table *at);
bool smmu_table_read(struct smmu_walker *walker, const struct smmu_table *at, pa_t word,
		     uint64_t *raw, struct pt_entry *entry, uint16_t *event);
/* Goes to the table that the entry points to. False: stopped. */
bool smmu_table_next(struct smmu_walker *walker, struct smmu_table *at, pa_t child, uint64_t perm);
bool smmu_table_stops(struct smmu_walker *walker, const struct smmu_table *at);
unsigned smmu_table_run(struct smmu_walker *walker, const struct smmu_table *at, pa_t word,
			uint64_t raw, bool *bad);
void smmu_descriptor_store(struct smmu_walker *walker, unsigned stage, pa_t word, uint64_t old,
			   uint64_t now);

/* smmuv3_loop.c */
size_t smmu_translate_plain(struct iommu *iommu, const struct dma_run *run,
			    struct dma_result *results);
size_t smmu_translate(struct iommu *iommu, uint64_t first_event, const struct dma_request *requests,
		      struct dma_result *results, size_t n);

/* smmuv3_translate.c */
void smmu_truth_result(struct iommu *iommu, const struct dma_request *request,
		       struct dma_result *result);
/* One request within a page: answer, caches, event. */
void smmu_serve_page(struct smmu *smmu, const struct dma_request *request,
		     struct dma_result *result);
/* The translation of a request from caches or tables, without events; false: *fault. */
bool smmu_translate_page(struct smmu *smmu, const struct dma_request *request,
			 struct smmu_context **context, struct smmu_context *scratch,
			 struct smmu_fault *fault, struct dma_result *result);
/* While CR0.SMMUEN is 0: GBPA. */
void smmu_disabled_result(const struct smmu *smmu, const struct dma_request *request,
			  struct dma_result *result);

/* smmuv3_compare.c */
struct smmu_answer {
	struct dma_result result;
	struct smmu_context context;
	struct smmu_walker walker;
	bool walked;
};
void smmu_truth(struct smmu *smmu, const struct dma_request *request, struct smmu_answer *answer);
/* What walk or start found, as the requester's result (events are apart). */
void smmu_walk_result(const struct smmu_walker *walker, struct dma_result *result);
void smmu_start_result(const struct smmu_walker *walker, enum smmu_start start,
		       struct dma_result *result);
enum verdict smmu_judge(const struct dma_result *served, const struct dma_result *truth,
			unsigned reasons);
struct smmu_path { /* the copies that an answer came from */
	struct smmu_context *context;
	bool cached_context;
	struct tlb *tlb;
	struct tlb_at at;
	bool any; /* tlb and at are set */
	iova_t key;
	uint64_t freed;
	pa_t freed_word;
};
void smmu_compare(struct smmu *smmu, const struct dma_request *request,
		  const struct smmu_path *path, const struct dma_result *served,
		  struct smmu_answer *truth);
/* Whether a whole copy says what the tables say, in the configuration that truth was found in. */
/* Whether a context says what the tables say. */
bool smmu_context_true(const struct smmu_context *context, const struct smmu_context *truth);
bool smmu_copy_true(struct smmu *smmu, const struct tlb *tlb, const struct tlb_at *at,
		    const struct smmu_answer *truth);

/* smmuv3_copies.c */
void smmu_copy_of(const struct smmu *smmu, const struct tlb *tlb, const struct tlb_at *at,
		  struct cached_copy *copy);
void smmu_copy_opens(struct smmu *smmu, const struct tlb *tlb, const struct tlb_at *at);
void smmu_copy_closes(struct smmu *smmu, const struct tlb *tlb, const struct tlb_at *at);
/* Sets a copy's check bit, and tells. */
void smmu_copy_doubt(struct smmu *smmu, struct tlb *tlb, const struct tlb_at *at, unsigned reason,
		     uint64_t changed);
void smmu_mark(struct smmu *smmu, const struct table_change *change);
void smmu_tables_changed(struct iommu *iommu, uint64_t event, const struct table_change *changes,
			 uint32_t n);
void smmu_mark_tag(struct smmu *smmu, uint32_t tag);
uint64_t smmu_tag_copies(struct smmu *smmu, uint32_t tag);
/* The check bit, or a generation that counts as one (rules R4). */
static inline bool smmu_checked(const struct smmu *smmu, const struct tlb *tlb,
				const struct tlb_at *at)
{
	const uint64_t combined = COPY_STAGE1 | COPY_STAGE2;

	if (*at->data & TLB_CHECK)
		return true;
	return tlb == smmu->tlb && (*at->data & combined) == combined &&
	       at->copy->generation !=
		       smmu_vmid_generation(smmu, smmu->tags[tlb_tag_of(tlb, at)].vmid);
}
/* Copies that may grant what is gone; an overlap or an uneven run alone grants nothing gone. */
static inline bool smmu_copy_told(const struct tlb_at *at)
{
	return (*at->data & TLB_CHECK) && (at->copy->reasons & ~(CHECK_OVERLAP | CHECK_RUN));
}
/* Every structure of translations and pointers, until NULL; stage 0 and level 0: the TLB. */
struct tlb *smmu_structure(const struct smmu *smmu, unsigned index);
void smmu_structure_kind(const struct smmu *smmu, const struct tlb *tlb, unsigned *stage,
			 unsigned *level);
/* Copies in a structure, TLB or IPA cache, over [first, last] that a request of the tag can match: of any
 * size, of its tag and global ones. */
struct smmu_matching {
	struct tlb *tlb;
	uint32_t tag;
	iova_t first, last;
	const struct tlb_copy *besides; /* NULL: all */
	bool mark;			/* they overlap: all get the check bit (rules R5) */
	struct tlb_at one;		/* answer: one of them */
};
/* How many. */
uint32_t smmu_matching(struct smmu *smmu, struct smmu_matching *matching);
/* Those besides this one; *other (NULL allowed) is one. */
uint32_t smmu_others(struct smmu *smmu, struct tlb *tlb, const struct tlb_at *at, iova_t first,
		     iova_t last, struct tlb_at *other);
/* Several copies match the key: walker->fault is F_TLB_CONFLICT, or *at is the one that answers
 * (3.21.1, IDR3.BBML). */
void smmu_choose_match(struct smmu_walker *walker, struct tlb *tlb, iova_t key, struct tlb_at *at);

/* smmuv3_fill.c: what a walk leaves behind */
void smmu_fill_walk(struct smmu *smmu, struct smmu_walker *walker,
		    const struct smmu_context *context, bool suspect, uint64_t changed,
		    const struct smmu_answer *truth);

/* smmuv3_event.c, smmuv3_stall.c */
void smmu_event(struct smmu *smmu, const struct dma_request *request,
		const struct smmu_context *context, const struct smmu_fault *fault,
		struct dma_result *result);
bool smmu_evtq_write(struct smmu *smmu, const uint64_t record[4], bool *interrupt);
/* A device other than this one with a record in the queue, or NO_DEVICE. */
uint32_t smmu_evtq_holder(struct smmu *smmu, uint32_t device);
bool smmu_evtq_writable(const struct smmu *smmu);
void smmu_acknowledge_faults(struct iommu *iommu, uint64_t event);
void smmu_gerror(struct smmu *smmu, unsigned index);
void smmu_stall(struct smmu *smmu, const struct dma_request *request, uint64_t record[4],
		bool *recorded, bool *interrupt);
void smmu_stalls_writable(struct smmu *smmu);
void smmu_stalls_end(struct smmu *smmu, uint32_t sid, bool all);
extern const struct stall_ops smmu_stall_ops;
void smmu_resume(struct smmu *smmu, uint32_t sid, uint16_t stag, bool again, bool abort_it);

/* smmuv3_queue.c */
static inline uint32_t smmu_queue_mask(const struct smmu_queue *queue)
{
	return (uint32_t)low_mask(queue->log2 + 1u);
}
static inline bool smmu_queue_full(const struct smmu_queue *queue)
{
	return ((queue->prod ^ queue->cons) & smmu_queue_mask(queue)) == 1u << queue->log2;
}
static inline bool smmu_queue_empty(const struct smmu_queue *queue)
{
	return !((queue->prod ^ queue->cons) & smmu_queue_mask(queue));
}
static inline bool smmu_queue_overflow(const struct smmu_queue *queue)
{
	return bit(queue->prod ^ queue->cons, 31);
}
static inline uint32_t smmu_queue_next(const struct smmu_queue *queue, uint32_t pointer)
{
	return (pointer & 1u << 31) | ((pointer + 1) & smmu_queue_mask(queue));
}
pa_t smmu_queue_at(const struct smmu_queue *queue, uint32_t pointer, unsigned entry_lg2);
/* A device other than this one that has an entry in the queue, or NO_DEVICE; sid_shift: where an entry has
 * its StreamID, in its first word. */
uint32_t smmu_queue_holder(const struct smmu *smmu, struct smmu_queue *queue, unsigned entry_lg2,
			   unsigned sid_shift, uint32_t device);
/* Handle of the device with this StreamID, or NO_DEVICE. */
uint32_t smmu_device_of(const struct smmu *smmu, uint64_t sid);
bool smmu_queue_put(struct smmu *smmu, struct smmu_queue *queue, const uint64_t *words,
		    unsigned entry_lg2);

/* smmuv3_pack.c */
/* A TLBI by address; what its opcode has none of is 0. */
struct smmu_range_command {
	uint8_t opcode, num, scale, tg;
	bool leaf;
	uint16_t vmid, asid;
	uint64_t page; /* address bits 63:12 */
};
/* As smmuv3_pack() packs it. */
void smmu_pack_range(const struct smmu_range_command *range, struct native_command *native);

/* smmuv3_command.c, smmuv3_inval.c */
bool smmu_encode(const struct iommu *iommu, const struct invalidation *what,
		 struct native_command *command, struct invalidation *covers);
bool smmu_decode(const struct iommu *iommu, const struct native_command *command,
		 struct invalidation *what);
int smmu_execute(struct iommu *iommu, uint64_t event, const struct native_command *command,
		 struct inval_report *report, struct err *err);
void smmu_run_commands(struct smmu *smmu);
/* Addresses that a TLBI by address names. */
void smmu_tlbi_range(const struct smmu *smmu, const struct native_command *command, uint64_t *first,
		     uint64_t *last);
void smmu_tlbi(struct smmu *smmu, const struct native_command *command,
	       struct inval_report *report);
/* All that executing a command for one page takes, as most are; false: it is another, and nothing was done. */
bool smmu_tlbi_page(struct smmu *smmu, const struct native_command *command,
		    struct inval_report *report);
void smmu_cfgi(struct smmu *smmu, const struct native_command *command,
	       struct inval_report *report);

/* smmuv3_ats.c */
void smmu_ats_request(struct smmu *smmu, const struct dma_request *request,
		      struct dma_result *result);
void smmu_ats_translated(struct smmu *smmu, const struct dma_request *request,
			 struct dma_result *result);
void smmu_ats_translated_result(struct smmu *smmu, const struct smmu_context *context,
				const struct dma_request *request, struct smmu_fault *fault,
				struct dma_result *result);
void smmu_atc_invalidate(struct smmu *smmu, const struct native_command *command,
			 struct inval_report *report);
void smmu_atc_mark(struct smmu *smmu, const struct table_change *change);
void smmu_atc_mark_config(struct smmu *smmu);
bool smmu_through_atc(struct smmu *smmu, const struct dma_request *request,
		      struct dma_result *result);
bool smmu_ats_truth(struct smmu *smmu, const struct dma_request *request,
		    struct dma_result *result);

/* smmuv3_pri.c */
extern const struct page_queue_ops smmu_pages;

/* smmuv3_regs.c */
bool smmu_reg_write(struct iommu *iommu, uint64_t event, uint64_t offset, uint64_t value,
		    unsigned size);
bool smmu_reg_read(struct iommu *iommu, uint64_t offset, unsigned size, uint64_t *value);

/* smmuv3_driver.c */
unsigned smmu_input_bits(const struct smmu *smmu, unsigned levels);
unsigned smmu_driver_levels(const struct smmu *smmu);
int smmu_start(struct iommu *iommu, pa_t root);
size_t smmu_start_rows(const struct iommu *iommu, struct table_row rows[START_ROWS]);
uint64_t smmu_config_bytes(const struct iommu *iommu);
enum domain_tag smmu_tag_kind(const struct iommu *iommu);
size_t smmu_attach_words(const struct iommu *iommu, struct attachment *attachment,
			 struct table_word words[ATTACH_WORDS]);

#endif
