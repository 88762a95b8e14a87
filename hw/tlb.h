/*
 * Set-associative cache of translations with several page sizes: an IOTLB, a walk cache of one
 * level, a device ATC. Shared by every IOMMU model.
 *
 * A copy is found by (tag, input address, page size). The tag is a small number that the model
 * gives to what its manual tags entries with (domain id; ASID and VMID; PASID and domain id).
 * A set is a line that lookups read first and a line for each way. A tlb counts nothing and knows no time.
 *
 * Keys: tag above the page number, whose lowest set bit says the size (as RISC-V's NAPOT):
 * 4 KiB pages end in 1, 8 KiB in 10, and so on. Tags have 64 - (address bits - 11) bits.
 *
 * A copy stays in its way. A lookup compares a byte of every key of the set at once (its print)
 * and the whole keys only of those that match. Replacement inside a set: true LRU, FIFO, or random
 * from a seed; or none of them: a structure that is full is emptied by its owner (TLB_RESET,
 * tlb_must_empty()), as some emulators do. Up to 16 ways have an age each, a byte, so that a use costs
 * a dozen instructions without a branch; more ways, and those of structures that are seldom filled, have a
 * stamp each: a use is a store, and a fill is linear in the ways.
 */
#ifndef IOMMUSIM_HW_TLB_H
#define IOMMUSIM_HW_TLB_H

#include <stddef.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "hw/base/dma_record.h"
#include "hw/base/err.h"

struct frame;

enum { TLB_SIZES = 8, TLB_WAYS_MAX = 4096, TLB_ENTRIES_MAX = 1 << 22, TLB_ORDERED_WAYS = 16 };
enum tlb_replacement { TLB_LRU, TLB_FIFO, TLB_RANDOM, TLB_RESET };

struct tlb_geometry {
	uint64_t sets, ways;	     /* at least 1; entries at most TLB_ENTRIES_MAX */
	uint64_t replacement;	     /* enum tlb_replacement */
	uint8_t page_lg2[TLB_SIZES]; /* sizes held, log2 bytes, any order; 0 ends the list */
	uint8_t address_bits;	     /* of the input: 12 to 64 */
	bool seldom_filled; /* looked up much more often: uses shall be cheap, fills need not */
	uint64_t seed;
};

/* The data word: output page (or table) address in [51:12], flags below. 0: no copy. */
enum {
	TLB_READ = 1 << 0,
	TLB_WRITE = 1 << 1,
	TLB_EXECUTE = 1 << 2,
	TLB_CHECK = 1 << 3, /* may differ from truth: compare (rules R1) */
	TLB_SNOOP_LG2 = 4,
	TLB_SNOOP = 1 << TLB_SNOOP_LG2,
	TLB_VALID = 1 << 5,
	TLB_USER = 1 << 6,  /* for requests of user privilege too */
	TLB_CLEAN = 1 << 7, /* a write has to set the dirty bit in memory first */
	/* Not without a further look. Those of reads and writes stand where records have their verb. */
	TLB_LOOK_EXECUTE = 1 << 9,
	TLB_LOOK_READ = 1 << DMA_RECORD_VERB_LG2,
	TLB_LOOK_WRITE = 2 << DMA_RECORD_VERB_LG2,
	TLB_PERM = TLB_READ | TLB_WRITE | TLB_EXECUTE,
};

/* The look bits of accesses. */
static inline uint64_t tlb_look(uint64_t perm)
{
	return (perm & (TLB_READ | TLB_WRITE)) << DMA_RECORD_VERB_LG2 |
	       (perm & TLB_EXECUTE ? TLB_LOOK_EXECUTE : 0);
}

/* Flags of a copy by which it cannot serve a record as it is. */
static inline uint64_t tlb_look_for(const struct dma_record *record)
{
	/* one more than a verb are the bits of its access: dma_access_of() */
	return ((record->how + TLB_LOOK_READ) & (TLB_LOOK_READ | TLB_LOOK_WRITE)) | TLB_CHECK;
}

/* Why a copy's check bit is set. */
enum {
	CHECK_UPDATE = 1 << 0,	/* the tables changed under it */
	CHECK_OVERLAP = 1 << 1, /* another valid copy covers part of it */
	CHECK_SOURCE = 1 << 2,	/* filled from a copy that was stale */
	CHECK_TAG = 1 << 3,	/* its tag stands for several sets of tables */
	CHECK_RUN = 1 << 4,	/* made from a run of entries that disagree (rules R5) */
};

/* What reports and rarely walked paths need to know of a copy. */
struct tlb_copy {
	uint64_t filled;     /* event of the fill */
	uint64_t serial;     /* unique over the life of the structure */
	struct frame *table; /* walk caches: the table pointed to */
	uint32_t space;	     /* address space it was walked from; 0: no copy here */
	uint32_t generation; /* of what its model counts: two-stage copies (rules R4) */
	uint8_t page_lg2;    /* 0: no copy here */
	uint8_t reasons;     /* CHECK_* */
	uint16_t unused;
};
_Static_assert(offsetof(struct tlb_copy, generation) == offsetof(struct tlb_copy, space) + 4,
	       "tlb_replace() stores both at once");

/* A way of a set: a copy, or none (key 0). What a lookup reads and what reports need share a line. */
struct tlb_way {
	_Alignas(64) uint64_t key;
	uint64_t data;
	struct tlb_copy copy;
	uint64_t changed; /* event that made it differ, while its check bit is set */
};
_Static_assert(sizeof(struct tlb_way) == 64, "a way a line");

enum { TLB_NO_WAY = 127 }; /* the age of none: no byte is greater */

/* A byte a way. */
typedef int8_t tlb_bytes __attribute__((vector_size(TLB_ORDERED_WAYS)));
union tlb_by_way {
	tlb_bytes all;
	uint8_t way[TLB_ORDERED_WAYS];
};

/* What a lookup in a set of up to 16 ways reads first: a line. */
struct tlb_head {
	_Alignas(64) union tlb_by_way prints;
	union tlb_by_way ages;	/* 0: the most recently used; TLB_NO_WAY beyond the ways */
	struct tlb_way *recent; /* the way of age 0, where the next is not 0, */
	uint64_t recent_key;	/* its key: that of most requests, or not even looked at */
	struct tlb_way *ways;	/* of the set */
};
_Static_assert(sizeof(struct tlb_head) == 64, "a head a line");

struct tlb {
	struct tlb_head *heads;	    /* per set */
	struct tlb_way *ways_space; /* per set: stride of them */
	union tlb_by_way *prints;   /* beyond 16 ways, per set: stride of them */
	uint64_t *stamps; /* per set stride of them: of the last use, 0: no copy; NULL: ages */
	uint64_t sets, ways, stride; /* stride: ways, beyond 16 up to a multiple of 16 */
	uint64_t set_mask;	     /* sets - 1 when a power of two, else 0 */
	union tlb_by_way oldest;     /* the greatest age of a set, for each way */
	uint32_t way_mask;	     /* a bit a way, up to 16 */
	bool lru_ages;		     /* LRU by the ages of a set */
	bool plain; /* that, and a power of two of sets: what the inline paths are made for */
	bool plain_stamps; /* the same by stamps: tlb_use_noted() */
	uint8_t tag_shift;
	/* Where there are no copies at all, the size of the last one counts as having some. */
	uint8_t only_lg2; /* the one size that has copies, if plain; else 0 */
	uint8_t n_live;	  /* sizes that have copies now, most recently added last */
	uint8_t live_lg2[TLB_SIZES];
	uint64_t count, serial, stamp; /* count: copies now */
	uint8_t *has_space;	       /* by address space: 0 if it never had a copy here */
	uint32_t n_spaces;
	uint32_t replacement;
	uint64_t rng;
	uint64_t by_size[64];	 /* copies of each page size */
	union tlb_by_way within; /* all ones for ways that there are; behind what fills read */
};

int tlb_create(const struct tlb_geometry *geometry, const char *name, struct tlb **out,
	       struct err *err);
void tlb_destroy(struct tlb *tlb); /* NULL is allowed */

/* Whether tags of this structure can be that large. */
static inline bool tlb_tag_fits(const struct tlb *tlb, uint64_t tag)
{
	return tag <= low_mask(64u - tlb->tag_shift);
}

/* The key without its tag. */
static inline uint64_t tlb_page_key(iova_t iova, unsigned page_lg2)
{
	uint64_t page = 1ull << page_lg2;

	return (page_lg2 == 12 ? iova >> 11 : (iova & -page) >> 11) | page >> 12;
}

static inline uint64_t tlb_key(const struct tlb *tlb, uint64_t tag, iova_t iova, unsigned page_lg2)
{
	return tag << tlb->tag_shift | tlb_page_key(iova, page_lg2);
}

static inline uint64_t tlb_set(const struct tlb *tlb, iova_t iova, unsigned page_lg2)
{
	uint64_t page = iova >> page_lg2;

	return tlb->set_mask || tlb->sets == 1 ? page & tlb->set_mask : page % tlb->sets;
}

/* ---- finding a key in a set -------------------------------------------------------------- */

static inline uint8_t tlb_print(uint64_t key)
{
	return (uint8_t)(key * 0x9e3779b97f4a7c15ull >> 56);
}

static inline tlb_bytes tlb_splat(uint8_t byte)
{
	typedef uint32_t quarters __attribute__((vector_size(TLB_ORDERED_WAYS)));
	uint32_t four = byte * 0x01010101u;

	return (tlb_bytes)(quarters){ four, four, four, four };
}

/* A bit for each byte that is all ones. */
static inline uint32_t tlb_bits(tlb_bytes bytes)
{
#ifdef __SSE2__
	return (uint32_t)_mm_movemask_epi8((__m128i)bytes);
#else
	uint32_t found = 0;

	for (unsigned i = 0; i < TLB_ORDERED_WAYS; i++)
		found |= (uint32_t)(bytes[i] != 0) << i;
	return found;
#endif
}

/* The number of the lowest bit set of up to 16. */
static inline uint64_t tlb_lowest(uint32_t bits)
{
	int lowest = __builtin_ctz(bits);

	if (lowest < 0 || lowest >= TLB_ORDERED_WAYS)
		__builtin_unreachable(); /* so that nothing is extended */
	return (uint64_t)lowest;
}

/* One more each, but TLB_NO_WAY. */
static inline tlb_bytes tlb_older(tlb_bytes ages)
{
#ifdef __SSE2__
	return (tlb_bytes)_mm_adds_epi8((__m128i)ages, _mm_set1_epi8(1));
#else
	return ages + (1 & (ages != tlb_splat(TLB_NO_WAY)));
#endif
}

static inline struct tlb_head *tlb_head(const struct tlb *tlb, uint64_t set)
{
	return &tlb->heads[set];
}

static inline struct tlb_way *tlb_ways(struct tlb_head *head)
{
	return head->ways;
}

/* Which of 16 ways has the key, of those with a bit in `among`; NULL: none. */
static inline __attribute__((always_inline)) struct tlb_way *
tlb_find16(struct tlb_way *ways, const union tlb_by_way *prints, uint32_t among, uint64_t key)
{
	uint32_t found = tlb_bits(prints->all == tlb_splat(tlb_print(key))) & among;

	for (; found; found &= found - 1) {
		struct tlb_way *way = &ways[tlb_lowest(found)];

		if (way->key == key)
			return way;
	}
	return NULL;
}

/* The way of the set that holds the key, or NULL. */
struct tlb_way *tlb_find(const struct tlb *tlb, uint64_t set, uint64_t key);

/* ---- order of a set: the age of each way ----------------------------------------------- */

/* The way of that age, the only one, becomes the most recently used; younger ones grow older. */
static inline void tlb_renew(struct tlb_head *head, tlb_bytes age, struct tlb_way *way,
			     uint64_t key)
{
	tlb_bytes ages = head->ages.all;

	head->ages.all = (ages - (ages < age)) & ~(ages == age);
	head->recent = way;
	head->recent_key = key;
}

/* ---- lookup --------------------------------------------------------------------------- */

/* Where a lookup found its copy. */
struct tlb_hit {
	struct tlb_way *way;
	unsigned page_lg2;
};

/* Where a page has its place in a plain structure, if it is there at all. */
struct tlb_place {
	uint64_t key;
	struct tlb_head *head;
};

/* tag_bits: the tag, shifted to its place in a key. */
static inline __attribute__((always_inline)) struct tlb_place
tlb_place(const struct tlb *tlb, uint64_t tag_bits, iova_t iova, unsigned lg2)
{
	uint64_t key = tag_bits | tlb_page_key(iova, lg2);

	return (struct tlb_place){ key, tlb_head(tlb, iova >> lg2 & tlb->set_mask) };
}

/* The same of a 4 KiB page; page_tag: tlb_page_tag(). */
static inline __attribute__((always_inline)) struct tlb_place
tlb_place_page(const struct tlb *tlb, uint64_t page_tag, iova_t iova)
{
	return (struct tlb_place){ page_tag | iova >> 11,
				   tlb_head(tlb, iova >> 12 & tlb->set_mask) };
}

/* The tag at its place in keys, with what says that a key is of a 4 KiB page. */
static inline uint64_t tlb_page_tag(uint64_t tag_bits)
{
	return tag_bits | 1;
}

/*
 * The copy there, now the most recently used of its set; NULL: none is there. It often is so already: that
 * way is looked at first.
 */
static inline __attribute__((always_inline)) struct tlb_way *tlb_use(const struct tlb *tlb,
								     const struct tlb_place *place)
{
	struct tlb_head *head = place->head;
	struct tlb_way *ways, *way;

	if (__builtin_expect(head->recent_key == place->key, 1)) {
		if (!head->recent)
			__builtin_unreachable(); /* so that nobody looks */
		return head->recent;
	}
	ways = tlb_ways(head);
	way = tlb_find16(ways, &head->prints, tlb->way_mask, place->key);
	if (way)
		tlb_renew(head, tlb_splat(head->ages.way[way - ways]), way, place->key);
	return way;
}

/* The same without a use of it. What is looked for is often what was used last. */
static inline struct tlb_way *tlb_peek(const struct tlb *tlb, const struct tlb_place *place)
{
	struct tlb_head *head = place->head;

	if (head->recent_key == place->key) {
		if (!head->recent)
			__builtin_unreachable();
		return head->recent;
	}
	return tlb_find16(tlb_ways(head), &head->prints, tlb->way_mask, place->key);
}

/* Where a copy was found, for those who look for the same one again and again. All 0: nowhere. */
struct tlb_note {
	struct tlb_way *way;
	uint64_t *stamp;
};

/* tlb_use() of a structure with plain_stamps. */
static inline __attribute__((always_inline)) struct tlb_way *
tlb_use_noted(struct tlb *tlb, uint64_t tag_bits, iova_t iova, unsigned lg2, struct tlb_note *note)
{
	struct tlb_place place = tlb_place(tlb, tag_bits, iova, lg2);

	if (__builtin_expect(!note->way || note->way->key != place.key, 0)) {
		struct tlb_way *ways = tlb_ways(place.head);
		struct tlb_way *way =
			tlb_find16(ways, &place.head->prints, tlb->way_mask, place.key);
		uint64_t set = iova >> lg2 & tlb->set_mask;

		if (!way)
			return NULL;
		*note = (struct tlb_note){
			way, &tlb->stamps[set * tlb->stride + (uint64_t)(way - ways)]
		};
	}
	*note->stamp = ++tlb->stamp;
	return note->way;
}

/*
 * The data word of a copy that covers iova, tried from the size that got its first copy first;
 * 0: none. With LRU it is now the most recently used of its set.
 */
uint64_t tlb_lookup_rare(const struct tlb *tlb, uint64_t tag, iova_t iova, struct tlb_hit *hit);
static inline __attribute__((always_inline)) uint64_t
tlb_lookup_size(const struct tlb *tlb, uint64_t tag, iova_t iova, unsigned lg2, struct tlb_hit *hit)
{
	struct tlb_place place = tlb_place(tlb, tag << tlb->tag_shift, iova, lg2);

	*hit = (struct tlb_hit){ tlb_use(tlb, &place), lg2 };
	return hit->way ? hit->way->data : 0;
}

/* usual: the page size that most copies have, known when this is compiled. */
static inline __attribute__((always_inline)) uint64_t
tlb_lookup(const struct tlb *tlb, unsigned usual, uint64_t tag, iova_t iova, struct tlb_hit *hit)
{
	if (__builtin_expect(tlb->only_lg2 == usual, 1))
		return tlb_lookup_size(tlb, tag, iova, usual, hit);
	return tlb_lookup_rare(tlb, tag, iova, hit);
}

/* A copy in its place; valid until it is replaced or removed. */
struct tlb_at {
	uint64_t *key, *data;
	struct tlb_copy *copy;
	uint64_t *changed; /* NO_EVENT-like UINT64_MAX: none; meaningful while TLB_CHECK is set */
};

static inline struct tlb_at tlb_at_way(struct tlb_way *way)
{
	return (struct tlb_at){ &way->key, &way->data, &way->copy, &way->changed };
}

/* The copy of exactly that page, or false. Does not count as a use. */
bool tlb_at(const struct tlb *tlb, uint64_t tag, iova_t iova, unsigned page_lg2, struct tlb_at *at);

/* Input range of a copy. */
static inline iova_t tlb_first(const struct tlb *tlb, const struct tlb_at *at)
{
	uint64_t page = *at->key & low_mask(tlb->tag_shift);

	/* drop the size marker: the page number at 4 KiB granularity is above it */
	return (page >> (at->copy->page_lg2 - 11)) << at->copy->page_lg2;
}
static inline iova_t tlb_last(const struct tlb *tlb, const struct tlb_at *at)
{
	return tlb_first(tlb, at) + low_mask(at->copy->page_lg2);
}
static inline uint64_t tlb_tag_of(const struct tlb *tlb, const struct tlb_at *at)
{
	return *at->key >> tlb->tag_shift;
}

/* ---- fill ----------------------------------------------------------------------------- */

/* What had to go for a fill; data 0: nothing. */
struct tlb_evicted {
	uint64_t key, data, changed;
	struct tlb_copy copy;
};

/* Whether a key, or none (0), is of a page of that size. */
static inline bool tlb_key_has_size(uint64_t key, unsigned page_lg2)
{
	return (key & low_mask(page_lg2 - 11)) == 1ull << (page_lg2 - 12);
}

void tlb_resized(struct tlb *tlb, unsigned old_lg2, unsigned page_lg2);

/* Stores a copy in a way that a fill takes, where one of the same size was; data has VALID. */
static inline __attribute__((always_inline)) void tlb_replace(struct tlb *tlb, struct tlb_way *way,
							      uint64_t key, uint64_t data,
							      const struct tlb_copy *copy)
{
	struct tlb_copy *stored = &way->copy;
	uint64_t of_space = copy->space | (uint64_t)copy->generation << 32;

	way->key = key;
	way->data = data;
	/* field by field: a copy in one piece waits for the stores that made it */
	stored->filled = copy->filled;
	stored->serial = ++tlb->serial;
	stored->table = copy->table;
	memcpy(&stored->space, &of_space, sizeof of_space);
	stored->page_lg2 = copy->page_lg2;
	stored->reasons = copy->reasons;
	stored->unused = 0;
}

/* The same, whatever was there; VALID is set here. */
static inline __attribute__((always_inline)) void tlb_store(struct tlb *tlb, struct tlb_way *way,
							    uint64_t key, uint64_t data,
							    const struct tlb_copy *copy)
{
	if (__builtin_expect(!tlb_key_has_size(way->key, copy->page_lg2), 0))
		tlb_resized(tlb, way->copy.page_lg2, copy->page_lg2);
	tlb_replace(tlb, way, key, data | TLB_VALID, copy);
}

/*
 * A copy of that size is about to be put into an empty way of a plain structure that has no others: one more. False:
 * the way is not empty, or it has others, and nothing was done.
 */
static inline bool tlb_refills(struct tlb *tlb, const struct tlb_way *way, unsigned page_lg2)
{
	if (way->key || tlb->only_lg2 != page_lg2)
		return false;
	tlb->by_size[page_lg2]++;
	tlb->count++;
	return true;
}

/* The number of a set's way that is next to go: one without a copy, else the least recently used. */
static inline uint64_t tlb_oldest(const struct tlb *tlb, const struct tlb_head *head)
{
	return tlb_lowest(tlb_bits(head->ages.all == tlb->oldest.all));
}

/* A fill takes that way. All others grow older; ages beyond the ways stay where they are. */
static inline struct tlb_way *tlb_take(const struct tlb *tlb, const struct tlb_place *place,
				       uint64_t oldest)
{
	struct tlb_head *head = place->head;
	struct tlb_way *way = tlb_ways(head) + oldest;

	head->ages.all = tlb_older(head->ages.all) & ~(head->ages.all == tlb->oldest.all);
	head->prints.way[oldest] = tlb_print(place->key);
	head->recent = way;
	head->recent_key = place->key;
	return way;
}

/* The way that a fill takes in a structure of any kind. */
struct tlb_way *tlb_take_any(struct tlb *tlb, uint64_t key, iova_t iova, unsigned page_lg2);

/*
 * Puts a copy in, most recently used; *copy's serial is set here, data is without VALID. *changed
 * is stored when data has the check bit. The page must not be in the structure under the same
 * tag, and its space must be known (tlb_know_space).
 */
static inline struct tlb_at tlb_fill(struct tlb *tlb, uint64_t tag, iova_t iova, uint64_t data,
				     const struct tlb_copy *copy, uint64_t changed,
				     struct tlb_evicted *evicted)
{
	uint64_t key = tlb_key(tlb, tag, iova, copy->page_lg2);
	struct tlb_way *way = tlb_take_any(tlb, key, iova, copy->page_lg2);

	*evicted = (struct tlb_evicted){ way->key, way->data, way->changed, way->copy };
	tlb->has_space[copy->space] = 1;
	tlb_store(tlb, way, key, data, copy);
	way->changed = changed;
	return tlb_at_way(way);
}

/* TLB_RESET: whether all copies have to go before the next fill. */
static inline bool tlb_must_empty(const struct tlb *tlb)
{
	return __builtin_expect(!tlb->plain, 0) && tlb->replacement == TLB_RESET &&
	       tlb->count == tlb->sets * tlb->ways;
}

/* ---- removal -------------------------------------------------------------------------- */

/* The way goes behind those that have a copy, so that fills take it first. */
static inline __attribute__((always_inline)) void
tlb_goes_last(const struct tlb *tlb, struct tlb_head *head, const struct tlb_way *way)
{
	tlb_bytes ages = head->ages.all, age = tlb_splat(head->ages.way[way - tlb_ways(head)]),
		  own = ages == age;

	ages += (ages > age) & tlb->within.all;
	head->ages.all = (ages & ~own) | (tlb->oldest.all & own);
	if (head->recent_key == way->key)
		head->recent_key = 0;
}

/* Empties a way. */
static inline void tlb_clear(struct tlb_way *way)
{
	way->key = way->data = 0;
	way->copy.space = way->copy.page_lg2 = 0; /* the rest says nothing */
}

/* Removes a copy from a plain structure that has none of other sizes. */
static inline __attribute__((always_inline)) void tlb_remove(struct tlb *tlb, struct tlb_head *head,
							     struct tlb_way *way, unsigned page_lg2)
{
	tlb_goes_last(tlb, head, way);
	tlb_clear(way);
	tlb->count--;
	tlb->by_size[page_lg2]--;
}

/* Whether there can be one copy of a tag in [first, last] at most, which tlb_place() finds: it is one page, and
 * the structure is plain and has no others. */
static inline bool tlb_one_page(const struct tlb *tlb, iova_t first, iova_t last)
{
	return tlb->only_lg2 == 12 && !((first ^ last) >> 12);
}

/* ---- visiting ------------------------------------------------------------------------- */

/* Which copies an operation is about. */
struct tlb_scope {
	bool any_tag; /* else only `tag` */
	uint64_t tag;
	uint32_t space;	    /* 0: any */
	iova_t first, last; /* overlapping this range */
};

/*
 * Calls visit for every copy in scope; it may change the data word's flags and the copy, and
 * returns true to have the copy removed. Probes set by set where the range has fewer pages than
 * the structure has copies, else scans. Returns how many were removed.
 */
typedef bool tlb_visitor(void *ctx, struct tlb *tlb, const struct tlb_at *at);
uint64_t tlb_visit(struct tlb *tlb, const struct tlb_scope *scope, tlb_visitor *visit, void *ctx);

/* False: the structure never had a copy of the address space. */
static inline bool tlb_may_hold(const struct tlb *tlb, uint32_t space)
{
	return space < tlb->n_spaces && tlb->has_space[space];
}

/* The space will have copies here; -1: no memory. Call before it is first walked. */
int tlb_know_space(struct tlb *tlb, uint32_t space);

#endif
