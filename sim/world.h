/*
 * The world: what the recorded system's memory says, apart from any IOMMU's caches.
 *
 * Domains with their tables, devices with their domains, the ledger of mappings, the owners of
 * physical pages. A world is the same for every configuration whose driver policy writes the
 * same words; points (caches, queues, counters) only read it (rules R8).
 *
 * Ledgers are interval maps: their cost follows ranges, not pages.
 */
#ifndef IOMMUSIM_SIM_WORLD_H
#define IOMMUSIM_SIM_WORLD_H

#include "hw/iommu.h"
#include "hw/pri.h"
#include "sim/imap.h"
#include "sim/machine.h"
#include "traces/event.h"

/* Values of a ledger entry: input range -> physical. */
enum { LEDGER_PA, LEDGER_PERM, LEDGER_EVENT };
/* Values of an owner entry: physical range -> who. */
enum { OWNER_NAME, OWNER_STATE, OWNER_EVENT };
enum owner_state { OWNER_FREE, OWNER_DATA, OWNER_TABLE };

enum { WORLD_UNITS = 32, WORLD_ATCS = 32 };

/* The bits of struct domain.holders that are IOMMUs' own caches. */
static inline uint64_t holders_units(uint64_t holders)
{
	return holders & ((1ull << WORLD_UNITS) - 1);
}

struct domain {
	uint32_t number; /* in names */
	uint32_t owner;	 /* string number or NAME_NONE */
	uint64_t tag;	 /* what the hardware knows it by: domain id, ASID or VMID */
	pa_t root;
	unsigned levels;
	const struct pt_format *format; /* of its tables */
	uint64_t page;			/* bytes of their smallest pages, less one */
	iova_t highest;			/* address that they can map */
	bool bypass;	  /* format=bypass: requests of its devices pass untranslated */
	bool raw;	  /* root= given: described by write events alone */
	bool tracked;	  /* dirty tracking is on */
	bool before;	  /* existed before the recording began */
	uint32_t space;	  /* of its tables */
	uint32_t devices; /* attached now */
	/* Who may hold its translations, and under which tag: bit per IOMMU that one of its devices is or
	 * was behind, and PASID under which it is attached there; from bit WORLD_UNITS on a bit per
	 * device with ATS that is or was attached. */
	uint64_t holders;
	uint32_t tag_units[WORLD_UNITS]; /* in the order of those bits */
	uint32_t tag_pasids
		[WORLD_UNITS]; /* 0 without one (RID_PASID of drivers); ALL_PASIDS: several */
	uint32_t n_tags;
	uint32_t unit_tags[WORLD_UNITS]; /* by IOMMU: which of those bits are its own */
	uint32_t units;			 /* a bit for each IOMMU that has any */
	uint64_t flushed;  /* of these: flushed as a whole since the last device left */
	uint64_t left_seq; /* when it did, in the order of all updates and issues */
	uint32_t atc_devices[WORLD_ATCS]; /* device numbers, in the order of those bits */
	uint32_t atc_pasids[WORLD_ATCS];  /* and under which PASID each is attached */
	uint32_t n_atcs;
	uint32_t pasid; /* of its attachments so far; ALL_PASIDS: they differ */
	/* The table of smallest pages that software wrote last, for as long as the graph of tables has
	 * this shape (struct tables): the frame, and the input that it covers; no bytes of it for none. */
	struct frame *last_table;
	iova_t last_table_first;
	uint64_t last_table_bytes, last_table_shape;
	struct imap *ledger;
	/* Domains with root=, once an event said what their tables are to grant (rights.c): that, and the ranges
	 * where tables are still to be compared with it. */
	struct imap *asked, *unjudged;
	struct imap *touched;	      /* ever mapped or unmapped; only once answers are compared */
	struct imap *gone;	      /* ever unmapped, until then; neighbours are one range */
	iova_t gone_first, gone_last; /* its range that came last */
};

/* A domain that a device uses for requests with a PASID. */
struct pasid_attachment {
	uint32_t pasid, domain;
};

struct device {
	uint32_t number, handle, unit, requester_id;
	uint32_t owner;
	uint32_t domain; /* of requests without a PASID: number or NAME_NONE */
	struct pasid_attachment *pasids;
	uint32_t n_pasids;
	bool ats, pri, stall;
	struct device_config config;
	struct pri_interface pri_state;
	bool records_requests; /* the recording has its page requests */
	uint32_t n_held;       /* DMAs that wait for a page or stall, or are tried again */
	bool delayed; /* its recorded times hold no more (R9): from this event on, by so much */
	uint64_t delayed_event, delay_ns;
};

/* The thread that serves the page request queue of a unit. */
struct page_handler {
	bool running;			      /* or on its way */
	struct page_request *batch, *partial; /* partial: not the last of their groups */
	size_t n, next, n_partial;
};

struct unit {
	uint32_t number; /* in names, or NAME_NONE: the implicit one */
	struct iommu *iommu;
	struct page_handler pages;
	bool serves_stall;  /* the handler is at work for a stalled transaction */
	uint64_t landed_ns; /* when the last DMA translated so far reaches memory; 0: none known */
};

/* The domain of a device's requests, or NAME_NONE. */
static inline uint32_t device_domain(const struct device *device, uint32_t pasid)
{
	if (pasid == NO_PASID)
		return device->domain;
	for (uint32_t i = 0; i < device->n_pasids; i++)
		if (device->pasids[i].pasid == pasid)
			return device->pasids[i].domain;
	return NAME_NONE;
}

/* Whether any of its requests go to the domain. */
static inline bool device_uses(const struct device *device, uint32_t domain)
{
	bool uses = device->domain == domain;

	for (uint32_t i = 0; i < device->n_pasids; i++)
		uses |= device->pasids[i].domain == domain;
	return uses;
}

/* The bits of holders that are caches of that IOMMU and that an invalidation there is about: what
 * names a PASID leaves the translations that others use (VT-d type 6). */
static inline uint64_t domain_tags_in(const struct domain *domain, uint32_t unit,
				      const struct invalidation *scope)
{
	uint64_t bits = domain->unit_tags[unit];

	if (scope->what == INVAL_ALL)
		return bits;
	if (scope->tag != domain->tag)
		return 0;
	if (scope->pasid == NO_PASID || scope->pasid == ALL_PASIDS)
		return bits;
	for (uint32_t i = 0; i < domain->n_tags; i++)
		if (domain->tag_pasids[i] != scope->pasid)
			bits &= ~(1ull << i);
	return bits;
}

/* Whether one of the domain's devices is or was behind that IOMMU. */
static inline bool domain_on(const struct domain *domain, uint32_t unit)
{
	return domain->units >> unit & 1;
}

/* Who may hold translations of the domain now. */
static inline uint64_t domain_holders(const struct domain *domain)
{
	return domain->holders & ~domain->flushed;
}

/* Whether an invalidation of that device's TLB is for the domain's i-th. */
static inline bool domain_atc_is(const struct domain *domain, uint32_t i, uint32_t device,
				 const struct invalidation *scope)
{
	return domain->atc_devices[i] == device &&
	       (domain->atc_pasids[i] == scope->pasid ||
		(scope->pasid == ALL_PASIDS && domain->atc_pasids[i] != NO_PASID));
}

enum removal_cause {
	REMOVED_BY_UNMAP,
	REMOVED_BY_MAP,
	REMOVED_BY_PROTECT,
	REMOVED_BY_WRITE,
	REMOVED_BY_P2M,
};

/* A translation (part of one) that an update removed or narrowed. */
struct removal {
	const struct domain *domain;
	enum removal_cause cause;
	uint64_t event, time_ns, seq;
	iova_t first, last;
	pa_t pa;       /* first's old target */
	uint8_t lost;  /* permission bits that went */
	uint8_t taken; /* of these, what tables of this format grant no more */
	bool beyond;   /* outside of what the unmap asked for (over-unmap): */
	iova_t asked_first, asked_last;
	uint64_t mapped; /* event of the map, or NO_EVENT */
	uint32_t owner;	 /* of the page at this instant; string number or NAME_NONE */
	bool inferred;	 /* the event or the owner is inferred */
};

/* An invalidation on its way: issued, executed, complete (rules R7). */
struct inval_op {
	uint64_t seq;		 /* of the issue, in the order of all updates and issues */
	uint64_t event, time_ns; /* of the issue */
	uint64_t done_ns;	 /* of D, in inval_done */
	uint64_t done_event;	 /* recorded `done`, or NO_EVENT */
	uint32_t unit;
	uint32_t domain;	   /* the neutral event's, or NAME_NONE */
	bool policy;		   /* issued by the policy, not recorded */
	bool failed;		   /* done with status other than ok: covers nothing */
	bool inferred;		   /* its event, or that of its completion, is of class inferred */
	struct invalidation scope; /* what was recorded or encoded */
	enum inval_what executes_as; /* the command's, which may take more than that */
	struct native_command command;
};

#endif
