/*
 * The neutral event: what every importer yields, the native container stores, the text form
 * prints and the replay consumes.
 *
 * The table event_kinds[] (event_kinds.c) is the one list of event kinds. Text form, native
 * container, documentation and `iommusim cat` all work from its rows.
 *
 * An event is a 32-byte head. What fits no field of the head (target address of a map, a size,
 * optional keys) is in the slots: one uint64_t for each bit set in `present`, in the order of
 * the bits. Bit i of `present` stands for fields[i] of the kind's row, so the present fields
 * and their places follow from the head alone. Fields placed in the head (PLACE_ADDR,
 * PLACE_LEN, PLACE_AGENT) never have a bit; required slot fields always have theirs.
 */
#ifndef IOMMUSIM_TRACES_EVENT_H
#define IOMMUSIM_TRACES_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hw/base/dma_record.h"
#include "hw/base/err.h"

enum event_kind {
	/* The numbers are the native container's: never renumber, only append. */
	EVENT_DMA = 0,
	EVENT_MAP,
	EVENT_UNMAP,
	EVENT_INVAL,
	EVENT_DONE,
	EVENT_IOMMU,
	EVENT_DOMAIN,
	EVENT_DEVICE,
	EVENT_ATTACH,
	EVENT_DETACH,
	EVENT_PROTECT,
	EVENT_P2M,
	EVENT_WRITE,
	EVENT_REG,
	EVENT_CMD,
	EVENT_FREE,
	EVENT_ALLOC,
	EVENT_OWNER,
	EVENT_FAULT,
	EVENT_REQUEST,
	EVENT_RESPOND,
	EVENT_OVERFLOW,
	EVENT_DIRTY,
	EVENT_P2M_MOVE,
	EVENT_CPU,
	EVENT_CACHE,
	EVENT_DMA_MAP,
	EVENT_DMA_UNMAP,
	EVENT_SYNC,
	EVENT_LINE,
	EVENT_GRANT,
	EVENT_BOUNCE,
	EVENT_LOST,
	EVENT_MARK,
	EVENT_KINDS
};

/* How an event came to be; the low two bits of event.flags. */
enum event_class { CLASS_RECORDED, CLASS_DERIVED, CLASS_INFERRED, CLASS_READER };

enum { EVENT_NO_AGENT = UINT32_MAX, NAME_NONE = UINT32_MAX, PASID_NONE = UINT32_MAX };

struct event {
	uint64_t time_ns; /* from the start of the recording; never goes back */
	uint64_t addr;	  /* the kind's leading address (iova, pa, register offset), else 0 */
	uint32_t len;	  /* dma: bytes; else 0 */
	uint32_t agent;	  /* index into names.agents: who and in which space */
	uint8_t kind;	  /* enum event_kind */
	uint8_t flags;	  /* bits 1:0 class, 4:2 verb, 5 time was clamped by the importer */
	uint16_t present; /* which of the kind's fields stand in the slots */
	uint32_t slot;	  /* index of the first slot in the batch's slots; events may share them */
};
_Static_assert(sizeof(struct event) == 32, "two events a cache line");

/* A DMA is read as a struct dma_record. */
#define LIKE_RECORD(field, of_record)                                                              \
	(offsetof(struct event, field) == offsetof(struct dma_record, of_record))
_Static_assert(sizeof(struct event) == sizeof(struct dma_record) && LIKE_RECORD(time_ns, time_ns) &&
		       LIKE_RECORD(addr, iova) && LIKE_RECORD(len, len) &&
		       LIKE_RECORD(agent, who) && LIKE_RECORD(kind, how) &&
		       __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ &&
		       offsetof(struct event, flags) == offsetof(struct event, kind) + 1 &&
		       offsetof(struct event, present) == offsetof(struct event, kind) + 2 &&
		       EVENT_DMA == 0,
	       "a DMA is a struct dma_record");
#undef LIKE_RECORD

enum { EVENT_FLAG_CLAMPED = 1 << 5 };

static inline enum event_class event_class(const struct event *event)
{
	return (enum event_class)(event->flags & 3);
}

/* The positional word of the kind's row: dma's "read|write|atomic|any" and so on. */
static inline unsigned event_verb(const struct event *event)
{
	return (event->flags >> 2) & 7;
}

static inline unsigned event_slots(const struct event *event)
{
	return (unsigned)__builtin_popcount(event->present);
}

enum dirty_verb {
	DIRTY_VERB_ON,
	DIRTY_VERB_OFF,
	DIRTY_VERB_READ,
	DIRTY_VERB_COPIED,
	DIRTY_VERB_SPLIT,
	DIRTY_VERB_MERGE,
};
enum cache_verb { CACHE_VERB_CLEAN, CACHE_VERB_INVALIDATE, CACHE_VERB_FLUSH };
enum line_verb { LINE_VERB_EVICT, LINE_VERB_PREFETCH };

/* ---- the table of kinds ------------------------------------------------------------- */

enum field_type {
	FIELD_END,
	FIELD_NUMBER, /* decimal or 0x; printed decimal */
	FIELD_HEX,    /* printed 0x */
	FIELD_SIZE,   /* takes K M G; printed with the largest exact suffix */
	FIELD_TIME,   /* nanoseconds with optional suffix */
	FIELD_YES,    /* key=yes; present means yes */
	FIELD_NO,     /* key=no; present means no */
	FIELD_CHOICE, /* one of choices "a|b|c"; value is its index */
	FIELD_PERM,   /* r w x in any order: bit 0 r, 1 w, 2 x */
	FIELD_STRING, /* quoted, or a bare NAME: names.strings number */
	FIELD_NAME, /* a bare NAME that need not be declared (owner, format, queue): string number */
	FIELD_IOMMU, /* a declared IOMMU's number */
	FIELD_DEVICE_ID, /* BDF "0000:00:04.0" or a number; bit 63 set: it was a BDF, bits 47:16 segment */
	FIELD_WORDS, /* w=W0,W1[,...]: stands for fields "w", and the following FIELD_WORD_MORE */
	FIELD_WORD_MORE,
	FIELD_OR_NONE, /* hex number or "none" (all ones) */
	FIELD_WORD,    /* an optional bare word, one of choices; value is its index */
};

enum field_place {
	PLACE_SLOT,  /* in the slots, present bit = the field's index */
	PLACE_ADDR,  /* event.addr */
	PLACE_LEN,   /* event.len */
	PLACE_AGENT, /* pasid: part of the agent */
};

struct event_field {
	const char *key;
	uint8_t type;  /* enum field_type */
	uint8_t place; /* enum field_place */
	bool required;
	const char *choices; /* FIELD_CHOICE */
};

enum subject {
	SUBJECT_NONE,
	SUBJECT_NEW,	       /* declares the name: iommu, domain, device */
	SUBJECT_DOMAIN,	       /* one declared domain */
	SUBJECT_DEVICE,	       /* one declared device */
	SUBJECT_DEVICE_DOMAIN, /* attach: both */
	SUBJECT_INVAL, /* a device with atc=yes or config=yes, else a domain, else nothing */
	SUBJECT_TEXT,  /* mark: a string, kept in field "text" */
};

enum { EVENT_FIELDS = 16 };

struct event_kind_row {
	const char *word;  /* in the text form */
	uint8_t subject;   /* enum subject: the names after the word */
	const char *verbs; /* "read|write|atomic|any": one is required; NULL: no positional word */
	const char *meaning; /* one line for --help and the documentation */
	/* The last three of every kind are cpu, src and at (bits 13 to 15 of present). */
	struct event_field fields[EVENT_FIELDS];
};

extern const struct event_kind_row event_kinds[EVENT_KINDS];

enum { FIELD_CPU = 13, FIELD_SRC = 14, FIELD_AT = 15 };

/* Index of fields[] per kind, where the code needs one by name. Bits of event.present. */
/* clang-format off */
enum {
	/* dma DEVICE read|write|atomic|any iova= len= [pasid=] [ats=] [pa=] [fault=] */
	DMA_IOVA = 0, DMA_LEN, DMA_PASID, DMA_ATS = DMA_RECORD_ATS, DMA_PA, DMA_FAULT,
	/* map DOMAIN iova= pa= size= perm= [page=] */
	MAP_IOVA = 0, MAP_PA, MAP_SIZE, MAP_PERM, MAP_PAGE,
	/* unmap DOMAIN iova= size= [done=] */
	UNMAP_IOVA = 0, UNMAP_SIZE, UNMAP_DONE,
	/* protect DOMAIN iova= size= perm= */
	PROTECT_IOVA = 0, PROTECT_SIZE, PROTECT_PERM,
	/* inval [DOMAIN|DEVICE] [iommu=] [iova= size=] [pasid=] [leaf=yes] [drain=no] [id=] [atc=yes]
	 * [config=yes]; iova is in addr; there is a range exactly when INVAL_SIZE is present. */
	INVAL_IOMMU = 0, INVAL_IOVA, INVAL_SIZE, INVAL_PASID, INVAL_LEAF, INVAL_DRAIN, INVAL_ID,
	INVAL_ATC, INVAL_CONFIG,
	/* done id= [status=ok|timeout|error] */
	DONE_ID = 0, DONE_STATUS,
	/* domain NAME [owner=] [asid=] [vmid=] [did=] [root= levels= format=] */
	DOMAIN_NAME = 0, DOMAIN_OWNER, DOMAIN_ASID, DOMAIN_VMID, DOMAIN_DID, DOMAIN_ROOT,
	DOMAIN_LEVELS, DOMAIN_FORMAT,
	/* iommu NAME */
	IOMMU_NAME = 0,
	/* device NAME [iommu=] [id=] [owner=] [ats=yes] [pri=yes] [stall=yes] [coherent=no] */
	DEVICE_NAME = 0, DEVICE_IOMMU, DEVICE_ID, DEVICE_OWNER, DEVICE_ATS, DEVICE_PRI, DEVICE_STALL,
	DEVICE_COHERENT,
	/* p2m DOMAIN gfn= mfn=N|none order= type= */
	P2M_GFN = 0, P2M_MFN, P2M_ORDER, P2M_TYPE,
	/* dirty DOMAIN on|off|read|copied|split|merge [iova= size=] [clear=no] */
	DIRTY_IOVA = 0, DIRTY_SIZE, DIRTY_CLEAR,
	/* write pa= value= */
	WRITE_PA = 0, WRITE_VALUE,
	/* reg [iommu=] offset= value= [size=] */
	REG_IOMMU = 0, REG_OFFSET, REG_VALUE, REG_SIZE,
	/* cmd [iommu=] w= [id=] */
	CMD_IOMMU = 0, CMD_W0, CMD_W1, CMD_W2, CMD_W3, CMD_ID,
	/* free pa= size=; alloc pa= size= owner= [use=data|table]; owner pa= size= from= to= */
	FREE_PA = 0, FREE_SIZE, ALLOC_OWNER, ALLOC_USE,
	OWNER_FROM = 2, OWNER_TO,
	/* request DEVICE iova= group= [last=yes] [pasid=]; respond DEVICE [group=|tag=] */
	REQUEST_IOVA = 0, REQUEST_GROUP, REQUEST_LAST, REQUEST_PASID,
	RESPOND_GROUP = 0, RESPOND_TAG,
	/* fault DEVICE iova= [code=] [pasid=] [read|write] */
	FAULT_IOVA = 0, FAULT_CODE, FAULT_PASID, FAULT_ACCESS,
	/* overflow iommu= queue= [count=] */
	OVERFLOW_IOMMU = 0, OVERFLOW_QUEUE, OVERFLOW_COUNT,
	/* lost [count=] [cpu=] [iommu=] [from=] (cpu is FIELD_CPU) */
	LOST_COUNT = 0, LOST_IOMMU, LOST_FROM,
	/* mark "TEXT" */
	MARK_TEXT = 0,
};
/* clang-format on */

/* ---- names ---------------------------------------------------------------------------- */

struct agent {
	uint32_t device; /* names.devices number or NAME_NONE */
	uint32_t domain; /* names.domains number or NAME_NONE */
	uint32_t pasid;	 /* PASID_NONE: none */
};

/* Everything that events refer to by number. Numbers count up from 0 in order of first use. */
struct names;

int names_create(struct names **out);
void names_destroy(struct names *names);

/* The number of the string, added if it is not there; NAME_NONE when memory or the limits of
 * native.md 5 (4 KiB an entry, 16 M entries, 256 MiB a table) do not allow it. */
uint32_t names_string(struct names *names, const char *text, size_t length);
const char *names_text(const struct names *names, uint32_t string); /* "" for NAME_NONE */

enum name_table {
	NAMES_STRINGS,
	NAMES_DEVICES,
	NAMES_DOMAINS,
	NAMES_IOMMUS,
	NAMES_AGENTS,
	NAME_TABLES
};

uint32_t names_count(const struct names *names, enum name_table table);
/* Declares a device, domain or IOMMU by its string; NAME_NONE if it is declared already. */
uint32_t names_declare(struct names *names, enum name_table table, uint32_t string);
/* The number of a declared name, or NAME_NONE. */
uint32_t names_find(const struct names *names, enum name_table table, const char *text,
		    size_t length);
/* The name of a declared device, domain or IOMMU; "dev#17" style when its entry was lost. */
const char *names_of(const struct names *names, enum name_table table, uint32_t number);
/* The string number behind a device, domain or IOMMU. */
uint32_t names_string_of(const struct names *names, enum name_table table, uint32_t number);
/* The agent's number, added if it is not there. */
uint32_t names_agent(struct names *names, struct agent agent);
struct agent names_agent_of(const struct names *names, uint32_t number);

/* The declared or keyword name nearest to text (edit distance at most 2 or a third), or NULL. */
const char *nearest_word(const char *text, size_t length,
			 const char *(*candidate)(const void *ctx, uint32_t i), const void *ctx);

/* ---- streams of events ---------------------------------------------------------------- */

enum { EVENT_BATCH = 512 };

/* Valid until the next source_next(). */
struct event_batch {
	const struct event *events;
	const uint64_t *slots; /* events[i].slot indexes this */
	size_t n;
	uint64_t first; /* number of events[0], counted from 0 over the recording */
	/* All but DMAs surely mean something (event_check.h), as the source has found; false: not known. */
	bool sure;
};

/* The value of a present slot field; the caller has checked its bit. */
static inline uint64_t event_value(const struct event_batch *batch, const struct event *event,
				   unsigned field)
{
	unsigned before = event->present & ((1u << field) - 1), place = event->slot;

	for (; before; before &= before - 1) /* few bits: cheaper than a call for popcount */
		place++;
	return batch->slots[place];
}

/* The same of a required field, with the first one of the kind: all from that on are required too. */
static inline uint64_t event_required(const struct event_batch *batch, const struct event *event,
				      unsigned field, unsigned first)
{
	return batch->slots[event->slot + field - first];
}

static inline bool event_has(const struct event *event, unsigned field)
{
	return event->present >> field & 1;
}

struct event_source;

struct event_source_ops {
	/* 1: a batch of 1..EVENT_BATCH events; 0: the end; -1: *err says what and where. */
	int (*next)(struct event_source *source, struct event_batch *batch, struct err *err);
	/* Where the event of the last batch stands, for messages: "file:12" or "file: record 12". */
	void (*where)(const struct event_source *source, uint64_t number, char *text, size_t size);
	void (*close)(struct event_source *source);
};

/* Head of every reader's own struct. */
struct event_source {
	const struct event_source_ops *ops;
	struct names *names;	/* owned by the source */
	uint64_t bytes, offset; /* of the input, for progress; bytes 0: unknown */
	const char *kind;	/* "text", "native", "generator", "import" */
	const char
		*meta; /* "key = value" lines on where it comes from, or NULL; the source's own */
	/* Merged from two clocks: events of different ones this close are unordered (rules R10). */
	uint64_t uncertainty_ns;
};

static inline int source_next(struct event_source *source, struct event_batch *batch,
			      struct err *err)
{
	return source->ops->next(source, batch, err);
}

static inline void source_close(struct event_source *source)
{
	if (source)
		source->ops->close(source);
}

/* Where events go: the text printer and the native writer. */
struct event_sink {
	/* Takes the batch whole; names may have grown since the last call. */
	int (*put)(struct event_sink *sink, const struct names *names,
		   const struct event_batch *batch, struct err *err);
	/* Completes the output; the sink is closed whatever the answer. */
	int (*finish)(struct event_sink *sink, const struct names *names, struct err *err);
	/* Gives up: closes and removes a partial output file. */
	void (*abandon)(struct event_sink *sink);
};

#endif
