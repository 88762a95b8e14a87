/*
 * Set-associative cache of translations with several page sizes: an IOTLB, a walk cache of one
 * level, a device ATC. Shared by every IOMMU model.
 *
 * A copy is found by (tag, input address, page size). The tag is a small number that the model
 * gives to what its manual tags entries with (domain id; ASID and VMID; PASID and domain id).
 * The lookup loop reads a line of keys and a line of data words; everything that only reports
 * need is kept apart in struct tlb_copy. A tlb counts nothing and knows no time.
 *
 * Keys: tag above the page number, whose lowest set bit says the size (as RISC-V's NAPOT):
 * 4 KiB pages end in 1, 8 KiB in 10, and so on. Tags have 64 - (address bits - 11) bits.
 *
 * Replacement inside a set: true LRU by moving to the front (measured faster than ages or
 * partial tags), FIFO, or random from a seed. Lookup is linear in the ways.
 */
#ifndef IOMMUSIM_HW_TLB_H
#define IOMMUSIM_HW_TLB_H

#include <stddef.h>

#include "hw/base/bits.h"
#include "hw/base/err.h"

struct frame;

enum { TLB_SIZES = 8, TLB_WAYS_MAX = 4096, TLB_ENTRIES_MAX = 1 << 22 };
enum tlb_replacement { TLB_LRU, TLB_FIFO, TLB_RANDOM };

struct tlb_geometry {
	uint64_t sets, ways;	     /* at least 1; entries at most TLB_ENTRIES_MAX */
	uint64_t replacement;	     /* enum tlb_replacement */
	uint8_t page_lg2[TLB_SIZES]; /* sizes held, log2 bytes, any order; 0 ends the list */
	uint8_t address_bits;	     /* of the input: 12 to 64 */
	uint64_t seed;
};

/*
 * The data word: output page (or table) address in [51:12], flags below, place of the copy's
 * struct tlb_copy above. Never 0.
 */
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
	_Alignas(64) uint64_t filled; /* event of the fill */
	uint64_t changed; /* event that made it, or its source, differ; UINT64_MAX: none */
	uint64_t proven;  /* last event at which it was compared and equal, else that of the fill */
	uint64_t serial;  /* unique over the life of the structure */
	struct frame *table; /* walk caches: the table pointed to */
	uint32_t space;	     /* address space it was walked from */
	uint8_t reasons;     /* CHECK_* */
	uint8_t page_lg2;
};

struct tlb {
	uint64_t *lines; /* per set: ways keys, then ways data words */
	struct tlb_copy *copies;
	uint64_t sets, ways;
	uint64_t set_mask; /* sets - 1 when a power of two, else 0 */
	int32_t line_lg2;  /* log2 of the words of a set's lines, or -1: not a power of two */
	uint64_t entries, serial;
	uint64_t rng;
	uint32_t *by_space; /* copies of each address space */
	uint32_t n_spaces;
	uint32_t replacement;
	uint8_t tag_shift;
	uint8_t n_live; /* sizes that have copies now, most recently added last */
	uint8_t live_lg2[TLB_SIZES];
	uint8_t page_lg2[TLB_SIZES];
	uint64_t live_count[TLB_SIZES]; /* parallel to live_lg2 */
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

static inline uint64_t tlb_set_number(const struct tlb *tlb, iova_t iova, unsigned page_lg2)
{
	uint64_t page = iova >> page_lg2;

	return tlb->set_mask || tlb->sets == 1 ? page & tlb->set_mask : page % tlb->sets;
}

static inline uint64_t *tlb_set(const struct tlb *tlb, iova_t iova, unsigned page_lg2)
{
	return tlb->lines + tlb_set_number(tlb, iova, page_lg2) * tlb->ways * 2;
}

/* Moves way w of the set to the front: it is now most recently used. */
static inline uint64_t tlb_to_front(uint64_t *keys, uint64_t ways, uint64_t w)
{
	uint64_t *data = keys + ways;
	uint64_t key = keys[w], word = data[w];

	for (; w; w--) {
		keys[w] = keys[w - 1];
		data[w] = data[w - 1];
	}
	keys[0] = key;
	data[0] = word;
	return word;
}

/* The data word of the copy with that key in its set, or 0; with LRU it is now the first. */
static inline __attribute__((always_inline)) uint64_t
tlb_find_in(const struct tlb *tlb, uint64_t *keys, uint64_t ways, uint64_t key)
{
	if (keys[0] == key)
		return keys[ways];
	for (uint64_t w = 1; w < ways; w++)
		if (keys[w] == key)
			return tlb->replacement == TLB_LRU ? tlb_to_front(keys, ways, w)
							   : keys[ways + w];
	return 0;
}

/*
 * The data word of a copy that covers iova, tried from the size that got its first copy first;
 * 0: none. *page_lg2 is its size.
 */
static inline __attribute__((always_inline)) uint64_t
tlb_lookup(const struct tlb *tlb, uint64_t tag, iova_t iova, unsigned *page_lg2)
{
	for (unsigned i = 0; i < tlb->n_live; i++) {
		unsigned lg2 = tlb->live_lg2[i];
		uint64_t *keys = tlb_set(tlb, iova, lg2);
		uint64_t key = tlb_key(tlb, tag, iova, lg2);
		uint64_t data = tlb->ways == 8	  ? tlb_find_in(tlb, keys, 8, key)
				: tlb->ways == 16 ? tlb_find_in(tlb, keys, 16, key)
						  : tlb_find_in(tlb, keys, tlb->ways, key);

		if (data) {
			*page_lg2 = lg2;
			return data;
		}
	}
	return 0;
}

/* A copy in its place; valid until the next lookup, fill or removal. */
struct tlb_at {
	uint64_t *key, *data;
	struct tlb_copy *copy;
};

static inline struct tlb_copy *tlb_copy_of(const struct tlb *tlb, const uint64_t *keys,
					   uint64_t data)
{
	uint64_t word = (uint64_t)(keys - tlb->lines);
	uint64_t set = tlb->line_lg2 >= 0 ? word >> tlb->line_lg2 : word / (tlb->ways * 2);

	return &tlb->copies[set * tlb->ways + (data >> 52)];
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

/*
 * Puts a copy in, most recently used; data without VALID and place bits, copy's serial is set
 * here. Returns true when one had to go: evicted->data says what it was, and the rest of *evicted
 * is filled if its check bit is set. The page must not be in the structure under the same tag.
 */
struct tlb_evicted {
	uint64_t key, data;
	struct tlb_copy copy;
};
bool tlb_fill(struct tlb *tlb, uint64_t tag, iova_t iova, uint64_t data,
	      const struct tlb_copy *copy, struct tlb_evicted *evicted);

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
