/*
 * What a model tells while it works, on rare paths only: copies that may differ from truth and their use,
 * faults, page requests, entries that were read.
 */
#ifndef IOMMUSIM_HW_OBSERVER_H
#define IOMMUSIM_HW_OBSERVER_H

#include "hw/waits.h"

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

/* The copy of a 4 KiB page may differ from truth since that event; first: its input, perm: what it grants. */
static inline void tell_doubted_page(const struct iommu_observer *observer, struct tlb_way *way,
				     uint64_t event, iova_t first, unsigned perm)
{
	way->data |= TLB_CHECK;
	way->copy.reasons |= CHECK_UPDATE;
	way->changed = event;
	observer->copy_opens(
		observer->self,
		&(struct doubted_copy){ .name = copy_name(STRUCTURE_TLB, 0, way->copy.serial),
					.first = first,
					.last = first + page_mask(12),
					.pa = bits_at(way->data, 51, 12),
					.space = way->copy.space,
					.perm = (uint8_t)perm,
					.reasons = way->copy.reasons });
}

/* Every call is there and does nothing: copy it and set those that are listened to. */
extern const struct iommu_observer iommu_observer_silent;

#endif
