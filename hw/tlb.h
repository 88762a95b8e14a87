/*
 * Set-associative cache of translations with several page sizes: an IOTLB, a walk cache of one
 * level, a device ATC. Shared by every IOMMU model.
 *
 * A copy is found by (tag, input address, page size). The tag is a small number that the model
 * gives to what its manual tags entries with (domain id; ASID and VMID; PASID and domain id).
 * The lookup reads a line of keys, a data word and the set's order; everything that only reports
 * need is kept apart in struct tlb_copy. A tlb counts nothing and knows no time.
 *
 * Keys: tag above the page number, whose lowest set bit says the size (as RISC-V's NAPOT):
 * 4 KiB pages end in 1, 8 KiB in 10, and so on. Tags have 64 - (address bits - 11) bits.
 *
 * A copy stays in its way. Replacement inside a set: true LRU, FIFO, or random from a seed. Up to
 * 16 ways the order of a set is one word, a nibble a way, most recent first: a use costs a dozen
 * instructions without a branch, and the keys are compared all at once. More ways have a stamp
 * each: lookups and fills are linear in the ways.
 */
#ifndef IOMMUSIM_HW_TLB_H
#define IOMMUSIM_HW_TLB_H

#include <stddef.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "hw/base/bits.h"
#include "hw/base/err.h"

struct frame;

enum { TLB_SIZES = 8, TLB_WAYS_MAX = 4096, TLB_ENTRIES_MAX = 1 << 22, TLB_ORDERED_WAYS = 16 };
enum tlb_replacement { TLB_LRU, TLB_FIFO, TLB_RANDOM };

struct tlb_geometry {
	uint64_t sets, ways;	     /* at least 1; entries at most TLB_ENTRIES_MAX */
	uint64_t replacement;	     /* enum tlb_replacement */
	uint8_t page_lg2[TLB_SIZES]; /* sizes held, log2 bytes, any order; 0 ends the list */
	uint8_t address_bits;	     /* of the input: 12 to 64 */
	uint64_t seed;
};

/* The data word: output page (or table) address in [51:12], flags below. 0: no copy. */
enum {
	TLB_READ = 1 << 0,
	TLB_WRITE = 1 << 1,
	TLB_EXECUTE = 1 << 2,
	TLB_CHECK = 1 << 3, /* may differ from truth: compare (rules R1) */
	TLB_SNOOP = 1 << 4,
	TLB_VALID = 1 << 5,
	TLB_PERM = TLB_READ | TLB_WRITE | TLB_EXECUTE,
};

/* Why a copy's check bit is set. */
enum {
	CHECK_UPDATE = 1 << 0,	/* the tables changed under it */
	CHECK_OVERLAP = 1 << 1, /* another valid copy covers part of it */
	CHECK_SOURCE = 1 << 2,	/* filled from a copy that was stale */
	CHECK_TAG = 1 << 3,	/* its tag stands for several sets of tables */
};

/* What reports and rarely walked paths need to know of a copy. */
struct tlb_copy {
	uint64_t filled;     /* event of the fill */
	uint64_t serial;     /* unique over the life of the structure */
	struct frame *table; /* walk caches: the table pointed to */
	uint32_t space;	     /* address space it was walked from; 0: no copy here */
	uint8_t reasons;     /* CHECK_* */
	uint8_t page_lg2;    /* 0: no copy here */
};

struct tlb {
	uint64_t *lines; /* per set: stride keys, then stride data words */
	uint64_t *order; /* per set, up to 16 ways; else per entry: the stamp of its last use */
	struct tlb_copy *copies;
	uint64_t *changed; /* per entry: event that made it differ, while its check bit is set */
	uint64_t sets, ways,
		stride;	   /* stride: ways up to a multiple of 4; the rest is never used */
	uint64_t set_mask; /* sets - 1 when a power of two, else 0 */
	uint64_t entries, serial, stamp;
	uint64_t rng;
	uint32_t *by_space; /* copies of each address space */
	uint32_t n_spaces;
	uint32_t replacement;
	uint8_t tag_shift;
	uint8_t n_live; /* sizes that have copies now, most recently added last */
	uint8_t live_lg2[TLB_SIZES];
	uint64_t by_size[64]; /* copies of each page size */
};

int tlb_create(const struct tlb_geometry *geometry, const char *name, struct tlb **out,
	       struct err *err);
void tlb_destroy(struct tlb *tlb); /* NULL is allowed */

/* Whether tags of this structure can be that large. */
static inline bool tlb_tag_fits(const struct tlb *tlb, uint64_t tag)
{
	return tag <= low_mask(64u - tlb->tag_shift);
}

static inline uint64_t tlb_key(const struct tlb *tlb, uint64_t tag, iova_t iova, unsigned page_lg2)
{
	return tag << tlb->tag_shift | ((iova >> page_lg2) << 1 | 1)
					       << (page_lg2 - 12) /* tag_shift bits at most */;
}

static inline uint64_t tlb_set(const struct tlb *tlb, iova_t iova, unsigned page_lg2)
{
	uint64_t page = iova >> page_lg2;

	return tlb->set_mask || tlb->sets == 1 ? page & tlb->set_mask : page % tlb->sets;
}

static inline uint64_t *tlb_keys(const struct tlb *tlb, uint64_t set)
{
	return tlb->lines + set * tlb->stride * 2;
}

/* ---- comparing all keys of a set ------------------------------------------------------- */

/* One nibble for each of four keys; its lowest bit is set where the key matches. */
static inline uint64_t tlb_match4(const uint64_t *keys, uint64_t key)
{
#ifdef __SSE2__
	__m128i want = _mm_set1_epi64x((long long)key);
	__m128i low = _mm_cmpeq_epi32(_mm_load_si128((const __m128i *)(const void *)keys), want);
	__m128i high =
		_mm_cmpeq_epi32(_mm_load_si128((const __m128i *)(const void *)(keys + 2)), want);
	uint64_t halves = (uint64_t)_mm_movemask_epi8(_mm_packs_epi32(low, high));

	return halves & halves >> 2 & 0x1111;
#else
	return (uint64_t)(keys[0] == key) | (uint64_t)(keys[1] == key) << 4 |
	       (uint64_t)(keys[2] == key) << 8 | (uint64_t)(keys[3] == key) << 12;
#endif
}

/* The way that holds the key, or UINT64_MAX. */
static inline __attribute__((always_inline)) uint64_t tlb_match(const uint64_t *keys,
								uint64_t stride, uint64_t key)
{
	for (uint64_t base = 0; base < stride; base += 16) {
		uint64_t found = 0, group = stride - base < 16 ? stride - base : 16;

		for (uint64_t i = 0; i < group; i += 4)
			found |= tlb_match4(keys + base + i, key) << i * 4;
		if (found)
			return base + ((uint64_t)__builtin_ctzll(found) >> 2);
	}
	return UINT64_MAX;
}

/* ---- order of a set: a word of nibbles, most recently used way lowest --------------------- */

static inline unsigned tlb_order_place(uint64_t order, uint64_t way)
{
	uint64_t differs = order ^ way * 0x1111111111111111u;
	uint64_t zero = (differs - 0x1111111111111111u) & ~differs & 0x8888888888888888u;

	return (unsigned)__builtin_ctzll(zero) & ~3u; /* the lowest is exact */
}

static inline uint64_t tlb_order_to_front(uint64_t order, uint64_t way)
{
	unsigned place = tlb_order_place(order, way);
	uint64_t before = order & ((1ull << place) - 1);

	return (order & ~((16ull << place) - 1)) | before << 4 | way;
}

static inline void tlb_touch(const struct tlb *tlb, uint64_t set, uint64_t way)
{
	if (tlb->replacement != TLB_LRU)
		return;
	if (tlb->ways <= TLB_ORDERED_WAYS)
		tlb->order[set] = tlb_order_to_front(tlb->order[set], way);
	else
		tlb->order[set * tlb->ways + way] = ++((struct tlb *)tlb)->stamp;
}

/* ---- lookup --------------------------------------------------------------------------- */

/* Where a lookup found its copy. */
struct tlb_hit {
	uint64_t set, way;
	unsigned page_lg2;
};

/*
 * The data word of a copy that covers iova, tried from the size that got its first copy first;
 * 0: none. With LRU it is now the most recently used of its set.
 */
static inline __attribute__((always_inline)) uint64_t
tlb_lookup(const struct tlb *tlb, uint64_t tag, iova_t iova, struct tlb_hit *hit)
{
	for (unsigned i = 0; i < tlb->n_live; i++) {
		unsigned lg2 = tlb->live_lg2[i];
		uint64_t set = tlb_set(tlb, iova, lg2), key = tlb_key(tlb, tag, iova, lg2);
		const uint64_t *keys = tlb_keys(tlb, set);
		uint64_t way = tlb->stride == 8	   ? tlb_match(keys, 8, key)
			       : tlb->stride == 16 ? tlb_match(keys, 16, key)
						   : tlb_match(keys, tlb->stride, key);

		if (way != UINT64_MAX) {
			tlb_touch(tlb, set, way);
			*hit = (struct tlb_hit){ set, way, lg2 };
			return keys[tlb->stride + way];
		}
	}
	return 0;
}

/* A copy in its place; valid until it is replaced or removed. */
struct tlb_at {
	uint64_t *key, *data;
	struct tlb_copy *copy;
	uint64_t *changed; /* NO_EVENT-like UINT64_MAX: none; meaningful while TLB_CHECK is set */
};

static inline struct tlb_at tlb_at_way(const struct tlb *tlb, uint64_t set, uint64_t way)
{
	uint64_t *keys = tlb_keys(tlb, set);

	return (struct tlb_at){ &keys[way], &keys[tlb->stride + way],
				&tlb->copies[set * tlb->ways + way],
				&tlb->changed[set * tlb->ways + way] };
}

/* The copy of exactly that page, or false. Does not count as a use. */
bool tlb_at(const struct tlb *tlb, uint64_t tag, iova_t iova, unsigned page_lg2, struct tlb_at *at);

/* Input range of a copy. */
iova_t tlb_first(const struct tlb *tlb, const struct tlb_at *at);
static inline iova_t tlb_last(const struct tlb *tlb, const struct tlb_at *at)
{
	return tlb_first(tlb, at) + low_mask(at->copy->page_lg2);
}
uint64_t tlb_tag_of(const struct tlb *tlb, const struct tlb_at *at);

/* ---- fill ----------------------------------------------------------------------------- */

/* What had to go for a fill; only data is set when its check bit is clear. 0: nothing went. */
struct tlb_evicted {
	uint64_t key, data, changed;
	struct tlb_copy copy;
};

/* The way that a fill of the set takes: one without a copy, else by the rule. */
uint64_t tlb_victim_rare(struct tlb *tlb, uint64_t set);
static inline uint64_t tlb_victim(struct tlb *tlb, uint64_t set)
{
	uint64_t way, order;

	if (tlb->ways > TLB_ORDERED_WAYS || tlb->replacement == TLB_RANDOM)
		return tlb_victim_rare(tlb, set);
	order = tlb->order[set];
	way = order >> (tlb->ways * 4 - 4) & 15;
	tlb->order[set] = tlb_order_to_front(order, way);
	return way;
}

void tlb_resized(struct tlb *tlb, unsigned old_lg2, unsigned page_lg2);

/*
 * Puts a copy in, most recently used; *copy's serial is set here, data is without VALID. *changed
 * is stored when data has the check bit. The page must not be in the structure under the same
 * tag, and its space must be known (tlb_know_space).
 */
static inline __attribute__((always_inline)) struct tlb_at
tlb_fill(struct tlb *tlb, uint64_t tag, iova_t iova, uint64_t data, const struct tlb_copy *copy,
	 uint64_t changed, struct tlb_evicted *evicted)
{
	uint64_t set = tlb_set(tlb, iova, copy->page_lg2);
	struct tlb_at at = tlb_at_way(tlb, set, tlb_victim(tlb, set));

	evicted->data = *at.data;
	if (__builtin_expect((*at.data & TLB_CHECK) != 0, 0)) {
		evicted->key = *at.key; /* only such a one has anything to tell */
		evicted->copy = *at.copy;
		evicted->changed = *at.changed;
	}
	if (__builtin_expect(at.copy->page_lg2 != copy->page_lg2, 0))
		tlb_resized(tlb, at.copy->page_lg2, copy->page_lg2);
	tlb->by_space[at.copy->space]--; /* that of space 0 means nothing */
	tlb->by_space[copy->space]++;
	*at.copy = *copy;
	at.copy->serial = ++tlb->serial;
	*at.key = tlb_key(tlb, tag, iova, copy->page_lg2);
	*at.data = data | TLB_VALID;
	if (__builtin_expect((data & TLB_CHECK) != 0, 0))
		*at.changed = changed;
	return at;
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

/* Copies of an address space that are in the structure now. */
static inline uint32_t tlb_of_space(const struct tlb *tlb, uint32_t space)
{
	return space < tlb->n_spaces ? tlb->by_space[space] : 0;
}

/* Makes room for counting a space; -1: no memory. Call when a space is first walked. */
int tlb_know_space(struct tlb *tlb, uint32_t space);

#endif
