/*
 * What the importer's parts say to each other. Readers turn lines into records, the clock maps
 * guest times to host times, the domains part finds whose mapping is whose, the merge puts both
 * sides in one order, the emitter makes neutral events. Private to traces/import_*.c.
 */
#ifndef IOMMUSIM_TRACES_IMPORT_PARTS_H
#define IOMMUSIM_TRACES_IMPORT_PARTS_H

#include <stdio.h>

#include "traces/import.h"
#include "traces/lines.h"
#include "traces/packed.h"

/* ---- address spaces ------------------------------------------------------------------ */

/*
 * An address space by what the recorded hardware tags it with. VT-d: the domain id. SMMUv3: the
 * ASID in stage 1, SPACE_STAGE2 and the VMID in stage 2. Requests of a device in SPACE_BYPASS
 * pass untranslated.
 */
enum {
	NO_SPACE = -1,
	SPACE_STAGE2 = 1 << 16,
	SPACE_BYPASS = 1 << 17,
	SPACES,
};

/* ---- counting ------------------------------------------------------------------------ */

/* Counts a line left out by its event name. */
void side_skip(struct import_side *side, const char *name, size_t length);
/* Counts a line that cannot be read, keeping where and why of the first; -1 if strict. */
int side_bad(struct import_side *side, bool strict, const char *path, const struct line *line,
	     const char *expected, struct err *err);
/* The same of a record that is no line; `why` says where, too. */
int side_bad_record(struct import_side *side, bool strict, const char *path, const char *why,
		    struct err *err);
void side_sort(struct import_side *side);
/* The line as it may stand in a message: control characters as dots, cut to size. */
void line_excerpt(const char *text, size_t length, char *out, size_t size);

/* ---- guest: import_guest.c ----------------------------------------------------------- */

enum { MARK_MAX_BYTES = 4096 }; /* a page: what the kernel takes, and what names can hold */

enum guest_kind {
	GUEST_MAP,
	GUEST_UNMAP,
	GUEST_COMMAND,
	GUEST_MARK,
	GUEST_LOST,
	GUEST_HINT, /* a dma:* event */
	GUEST_FREE, /* kmem: pages are given back */
	GUEST_ALLOC,
	GUEST_REQUEST, /* prq_report: a page request that the driver takes from its queue */
	GUEST_KINDS
};

/* A dma:* event names the device of mappings that stand right before or after it. */
enum hint_kind { HINT_MAPPED, HINT_UNMAPPED, HINT_WILL_UNMAP };

struct guest_record {
	enum guest_kind kind;
	uint64_t time; /* ns, or ticks of a clock that prints bare integers */
	uint64_t line;
	uint32_t cpu, pid;
	uint64_t iova, end; /* map, unmap, hint; end == iova: not named; end 0: up to 2^64 */
	uint64_t pa;
	uint64_t done;	   /* unmap: bytes really unmapped; free, alloc: bytes */
	uint64_t words[4]; /* command; request: the first two of its queue entry */
	char unit[16];	   /* command: "dmar0" */
	const char *text;  /* mark, until the next record */
	size_t length;
	uint64_t count; /* lost: 0 is unknown */
	bool has_cpu;	/* lost */
	enum hint_kind hint;
	uint32_t sid; /* hint: bus 15:8, device 7:3, function 2:0 */
	bool untimed; /* lost, before the first event */
};

struct guest;

/* path is a file; `from` says its form unless that is to be found out. */
int guest_open(const char *path, enum import_from from, bool strict, struct guest **out,
	       struct err *err);
void guest_close(struct guest *guest); /* NULL is allowed */
/* Before each reading, the first too; counts start again. */
int guest_rewind(struct guest *guest, struct err *err);
/* 1: a record; 0: the end; -1: error. */
int guest_next(struct guest *guest, struct guest_record *record, struct err *err);
/* Times are ticks, not ns; known after the first record. */
bool guest_ticks(const struct guest *guest);
const struct import_side *guest_side(struct guest *guest); /* brought up to date */
const char *guest_form(const struct guest *guest);	   /* "ftrace text" */
uint64_t guest_bytes(const struct guest *guest);
uint64_t guest_offset(const struct guest *guest); /* of these, read so far */

/* What a map or unmap of `size` bytes must hold: a range that is one. */
bool guest_mapping_holds(const struct guest_record *record, uint64_t size);
/* Who makes a page request. */
static inline uint16_t request_sid(const struct guest_record *record)
{
	return (uint16_t)(record->words[0] >> 16);
}

/* A command whose type the host does not tell. */
static inline bool guest_is_silent(unsigned silent, const struct guest_record *record)
{
	return record->kind == GUEST_COMMAND && silent >> (record->words[0] & 0xf) & 1;
}

/* The driver's own wait descriptor, which is left out: the host's wait says when it was done. */
bool guest_is_wait(const struct guest_record *record);
/* An IOMMU's name, "dmar0". */
bool guest_scan_unit(struct scan *scan, struct guest_record *record);
/* "0000:01:00.0" of PCI segment 0; other devices are not what a host log speaks of. */
bool guest_scan_device(struct scan *scan, struct guest_record *record);
/* The pages of a dma:* event's range; false: it is none. */
bool guest_set_range(struct guest_record *record, uint64_t start, uint64_t bytes);

enum { HINT_RANGES = 128 /* a dma_map_sg event lists no more */ };

/*
 * dma:* of kernel 6.12 and later. The placement relative to map and unmap is the kernel's:
 * dma_unmap_sg and dma_free come before the unmap they cause, the others after their event.
 */
struct hint_event {
	const char *name;
	enum hint_kind hint;
	enum {
		HINT_ONE_RANGE,
		HINT_RANGE_LIST,
		HINT_NO_RANGE /* physical addresses only */
	} ranges;
};

const struct hint_event *guest_hint_event(const char *name, size_t length); /* NULL: none */

/* ---- guest's payloads: import_payload.c ------------------------------------------------ */

/* The ranges that a dma_map_sg event lists. */
struct payload_ranges {
	uint64_t start[HINT_RANGES], bytes[HINT_RANGES];
	unsigned n;
};

enum payload {
	PAYLOAD_RECORD,
	PAYLOAD_UNUSED, /* an event of no use here, or another of the same name */
	PAYLOAD_BAD,	/* *expected says how it should read */
};

/* event: its name; payload: the text behind it. The record comes with its prefix filled. */
enum payload payload_parse(const struct scan *event, const struct scan *payload,
			   struct guest_record *record, struct payload_ranges *ranges,
			   const char **expected);

/* ---- guest's text: import_ftrace.c --------------------------------------------------- */

struct ftrace;

/* Reads lines from their start; they stay the caller's and outlive the reader. */
int ftrace_open(struct lines *lines, bool strict, struct ftrace **out, struct err *err);
void ftrace_close(struct ftrace *ftrace); /* NULL is allowed */
int ftrace_next(struct ftrace *ftrace, struct guest_record *record, struct err *err);
bool ftrace_ticks(const struct ftrace *ftrace);
const struct import_side *ftrace_side(struct ftrace *ftrace);

/* ---- host: import_qemu.c ------------------------------------------------------------- */

enum host_kind {
	HOST_ANSWER,   /* a translation was given */
	HOST_FAULT,    /* a request was refused */
	HOST_COMMAND,  /* a descriptor was executed, waits left out */
	HOST_WAIT,     /* everything before is complete */
	HOST_REGISTER, /* fault status, fault control or fault record written */
	HOST_FRR,      /* a fault was recorded where software sees it */
	HOST_CONTEXT,  /* where a device's requests are translated; NO_SPACE: refused */
	HOST_OVERFLOW, /* records were lost because their queue was full */
	HOST_READ,     /* the register was read that clock marks read */
};

struct host_record {
	enum host_kind kind;
	bool walk;	  /* answer: by a table walk, not from the recorder's IOTLB */
	bool space_known; /* answer: space and perm are there */
	bool directed;	  /* answer, fault, frr: write says what it was */
	bool write;
	bool entry;   /* context: high and low are its entry */
	uint8_t perm; /* answer: bit 0 read, bit 1 write, of the leaf */
	uint8_t size; /* register: bytes */
	uint16_t sid;
	int32_t space;	    /* answer, fault, context */
	uint32_t code;	    /* fault, frr: the specification's fault reason */
	uint64_t time_ns;   /* since 1970 */
	uint64_t line;	    /* answer: of the line that tells hit or walk, if there is one */
	uint64_t iova, pa;  /* answer: with the low bits */
	uint64_t high, low; /* command: quadwords 1 and 0; context: entry */
	uint64_t offset, value;
};

struct qemu;

struct qemu_options {
	bool strict;
	bool answers_by_page; /* no vtd_dmar_translate in the log: page lines stand in */
	bool walks_only;      /* leave out answers of the emulator's own IOTLB */
	bool typed_commands;  /* VT-d: typed lines stand in where vtd_inv_desc was not recorded */
};

/* Reads lines from their start; they stay the caller's and outlive the reader. */
int qemu_open(struct lines *lines, const struct qemu_options *options, struct qemu **out,
	      struct err *err);
void qemu_close(struct qemu *qemu);
int qemu_next(struct qemu *qemu, struct host_record *record, struct err *err);
const struct import_side *qemu_side(struct qemu *qemu);
uint64_t qemu_pages(const struct qemu *qemu); /* VT-d page hit and update lines so far */
/* Whose events it holds, NULL before the first record. */
const struct import_arch *qemu_arch(const struct qemu *qemu);
/* VT-d: the log says that scalable mode is on. */
bool qemu_scalable(const struct qemu *qemu);

/* ---- clock: import_clock.c ----------------------------------------------------------- */

struct command {
	uint64_t low, high; /* quadwords 0 and 1 */
	uint64_t time, line;
};

struct command_list {
	struct command *items;
	size_t n, room;
};

int command_add(struct command_list *list, struct command command, struct err *err);

struct tie {
	uint64_t guest, host;
};

static inline uint64_t clock_map(const struct import_clock *clock, uint64_t guest)
{
	const struct clock_piece *piece = &clock->pieces[0];
	__int128 distance, host;

	for (unsigned i = 1; i < clock->n && clock->pieces[i].guest_from <= guest; i++)
		piece = &clock->pieces[i];
	distance = (__int128)guest - (__int128)piece->guest_base;
	host = (__int128)piece->host_base + ((distance * (__int128)piece->slope_q40) >> 40);

	return host < 0 ? 0 : host > (__int128)UINT64_MAX ? UINT64_MAX : (uint64_t)host;
}

/*
 * Where the guest's commands stand in the host's list: *first such that guest[i] equals
 * host[first + i] for all i. -1 naming the first difference. Of several places the one whose
 * clock fits best is taken.
 */
int commands_pair(const struct command_list *guest, const char *guest_path,
		  const struct command_list *host, const char *host_path, bool ticks, size_t *first,
		  struct err *err);

/* Fits the lower edge through the ties and fills clock, residuals, outliers, uncertainty. */
int clock_fit(const struct tie *ties, size_t n, bool ticks, struct import_info *info,
	      struct err *err);

/* The same of guest[i] and host[first + i]. */
int clock_fit_lists(const struct command_list *guest, const struct command_list *host, size_t first,
		    bool ticks, struct import_info *info, struct err *err);

/*
 * The same from brackets: the guest read a register between two marks, at times `low` and
 * `high`; reads[i].time is when the host saw it. Guest times are ns. Fills clock and uncertainty.
 */
int clock_enclose(const struct command *brackets, const struct command *reads, size_t n,
		  struct import_info *info, struct err *err);

struct scan_result;

/*
 * Which unmap each page-selective command of the host flushes, when the guest does not record
 * commands: by range and time. Decides those unmaps' spaces; fills scan->flushed.
 */
int flushes_pair(struct scan_result *scan, const struct import_info *info, struct err *err);

/*
 * The clock from unmaps and their flushes: in strict mode every unmap is flushed at once, so its
 * ranges stand in the host's log in the same order. False: they do not.
 */
bool flushes_tie(const struct scan_result *scan, struct import_info *info);

/* ---- kinds of IOMMU: import_vtd.c, import_smmuv3.c ----------------------------------- */

/* What a command names; fields without a meaning are -1, or 0. */
struct command_scope {
	bool selective;	    /* of the pages [first, last] of `space` */
	int32_t space;	    /* NO_SPACE: none, or all */
	int32_t sid;	    /* a device, -1: none, or several */
	bool configuration; /* the device's cached configuration goes */
	uint64_t first, last;
};

struct building;
struct descriptor;
struct emitter;

struct import_arch {
	const char *model;   /* whose commands, registers and fault codes a recording holds */
	const char *log;     /* of the host, in META */
	const char *unknown; /* the domain of mappings whose own is not found */
	bool host_tells;     /* guests record no commands: the host's tell whom to declare */
	/* False: the command is of no interest. */
	bool (*scope)(const uint64_t words[2], struct command_scope *scope);
	void (*name_space)(int32_t space, char name[24]);
	/* Sets the fields of a `domain` event that tell its tag. */
	void (*tag_space)(int32_t space, struct building *domain);
	/* A descriptor or command as `cmd`, and what it means as `inval`. */
	void (*invalidate)(struct emitter *emitter, const struct descriptor *descriptor);
};

extern const struct import_arch import_vtd, import_smmuv3;

/* ---- live mappings: import_live.c ---------------------------------------------------- */

struct live {
	uint64_t first, last, highest;
	uint64_t pa;
	size_t ordinal;
	uint32_t left, right; /* 0: none */
	uint32_t group;
	int height;
};

/* All zero is an empty tree. Nodes are numbers, stable while they live; 0 is none. */
struct live_tree {
	struct live *live;
	uint32_t n, room, free, root;
};

uint32_t live_tree_add(struct live_tree *tree, const struct live *live); /* 0: no memory */
void live_tree_remove(struct live_tree *tree, uint32_t node);
/* The first node behind `after` (in order; 0: from the start) that overlaps [first, last]. */
uint32_t live_tree_overlap(const struct live_tree *tree, uint64_t first, uint64_t last,
			   uint32_t after);
void live_tree_free(struct live_tree *tree);

/* ---- domains: import_claims.c, import_domains.c -------------------------------------- */

/* One uint32_t a map or unmap, in the order of the guest's file. */
struct decision {
	uint32_t space : 18, how : 4, perm : 2;
};

static inline struct decision decision_of(int32_t space, enum import_how how, unsigned perm)
{
	unsigned number = space < 0 ? 0 : (unsigned)space;

	return (struct decision){ number & 0x3ffff, (unsigned)how & 15, perm & 3 };
}

struct decisions {
	struct decision *items;
	size_t n, room;
};

struct claims;

/* First pass: strong evidence from the guest alone. NULL sid_to_space: no dma hints. */
int claims_create(const struct import_arch *arch, const int32_t *sid_to_space,
		  struct decisions *decisions, struct claims **out, struct err *err);
void claims_destroy(struct claims *claims);
int claims_add(struct claims *claims, const struct guest_record *record, struct err *err);

struct domains;

/* Second pass: both sides in merged order. spaces: those known, ascending. */
int domains_create(struct decisions *decisions, const int32_t *spaces, size_t n,
		   struct domains **out, struct err *err);
void domains_destroy(struct domains *domains);
int domains_map(struct domains *domains, size_t ordinal, const struct guest_record *record,
		uint64_t time_ns, struct err *err);
int domains_unmap(struct domains *domains, size_t ordinal, const struct guest_record *record,
		  uint64_t time_ns, struct err *err);
/* A table walk's answer: what it says was mapped in space. perm: bit 0 read, bit 1 write. */
void domains_answer(struct domains *domains, int32_t space, uint64_t iova, uint64_t pa,
		    unsigned perm);
/* Decides what is still open, and counts. */
void domains_finish(struct domains *domains, uint64_t *unmaps_without_map);

/* ---- merge: import_merge.c ----------------------------------------------------------- */

struct merge_plan {
	const struct import_options *options;
	struct guest *guest; /* NULL: that side is missing */
	struct lines *host;
	struct import_clock clock;
	uint64_t uncertainty_ns;
	size_t first_pair;	 /* guest command 0 is this one of the host's */
	size_t pairs;		 /* guest commands that are paired: all or none */
	const uint32_t *flushed; /* by host command, or NULL: scan_result */
	bool answers_by_page, walks_only;
	unsigned
		silent; /* types of the guest's commands that the host does not tell: scan_result */
};

/* One record in merged order. */
struct merge_step {
	const struct guest_record *guest; /* one of both is NULL */
	const struct host_record *host;
	uint64_t time_ns; /* host clock (guest clock without host), never goes back */
	bool clamped;	  /* its source had stepped back */
	bool guest_over;  /* host: the guest's recording has ended */
	size_t ordinal;	  /* map, unmap: which; command: which of its side */
};

struct merge;

int merge_open(const struct merge_plan *plan, struct merge **out, struct err *err);
void merge_close(struct merge *merge);
/* 1: a step, valid until the next call; 0: the end; -1: error. Hints are left out. */
int merge_next(struct merge *merge, struct merge_step *step, struct err *err);
/* Moves so far. */
void merge_counts(const struct merge *merge, struct import_info *info);

/* ---- what pass one learns: import_scan.c --------------------------------------------- */

struct context_change {
	uint64_t time_ns, line;
	int64_t after; /* host command that dropped the device's configuration before, -1: none */
	uint16_t sid;
	int32_t space; /* NO_SPACE: refused without being translated */
	uint8_t width; /* context entry's AW: 1 39 bits, 2 48 bits, 3 57 bits */
	uint8_t type;  /* its TT: 1 lets the device keep an ATC */
	bool entry;    /* from a context entry; else from a translation */
};

enum { UNITS = 64 };

struct scan_result {
	const struct import_arch *arch;
	struct command_list guest_commands, host_commands, guest_marks, host_reads;
	struct command_list guest_brackets; /* low, high: times before and after */
	struct command_list guest_unmaps;   /* low, high: first and last; line: ordinal */
	/*
	 * VT-d: a bit for each type of command that the host's log holds, and for those of the guest's
	 * that its QEMU does not log (6 and 7 before 10.0 and 10.2): they have no pair.
	 */
	unsigned host_types, silent;
	bool first_stage;  /* VT-d: requests without a PASID have first-stage tables */
	bool scalable;	   /* VT-d: scalable mode */
	uint32_t *flushed; /* by host command: 1 + ordinal of the last unmap before it, or 0 */
	struct decisions decisions;
	struct context_change *contexts; /* in the host's order, one each time a device's changes */
	size_t contexts_n, contexts_room;
	int32_t sid_to_space[65536];   /* the last known, NO_SPACE none */
	int64_t config_command[65536]; /* the last one that dropped it, -1 none */
	bool sid_seen[65536], space_seen[SPACES];
	bool requests_pages[65536]; /* the device makes page requests */
	char units[UNITS][16];	    /* of guest commands, in order of appearance */
	unsigned units_n;
	bool has_guest; /* then its commands tell whom to declare, boot's do not */
	bool ticks, guest_timed, host_timed;
	uint64_t guest_first, host_first; /* time of the first record */
	uint64_t guest_latest, host_latest;
	bool answers_by_page;
	uint64_t pages; /* page hit and update lines */
};

/* Reads the host, then the guest; fills info's counts of lines, answers and faults. */
int scan_files(const struct import_options *options, struct guest *guest, struct lines *host,
	       struct scan_result *result, struct import_info *info, struct err *err);
void scan_free(struct scan_result *result);

/* ---- neutral events: import_emit.c --------------------------------------------------- */

struct emitter;

struct emit_plan {
	const struct scan_result *scan;
	const struct import_info *info;
	size_t first_pair, pairs;
	bool has_host;
	bool unknown_domain; /* some mapping's domain could not be found */
};

int emitter_create(const struct emit_plan *plan, struct names *names, struct emitter **out,
		   struct err *err);
void emitter_destroy(struct emitter *emitter);
/* Declarations and attaches of time 0. */
int emit_start(struct emitter *emitter, struct err *err);
int emit_step(struct emitter *emitter, const struct merge_step *step, struct err *err);
size_t emitter_waiting(const struct emitter *emitter);
/* Hands out up to EVENT_BATCH events; they stay valid until the next emit_step(). */
void emitter_take(struct emitter *emitter, struct event_batch *batch);

#endif
