/*
 * chaos: everything that makes cached translations go stale, on a working set small enough that
 * hits, evictions and stale hits are all common.
 *
 * All domains use the same input addresses, the arena: some blocks of 2 MiB at 1 GiB, and the
 * last 2 MiB below 2^48. What each domain has mapped there is remembered page by page, so that
 * most DMA meets something. Pieces of it are mapped, replaced, split, protected and unmapped in
 * sizes from 4 KiB to 1 GiB; invalidations are exact, too wide, too small, for the wrong domain,
 * late or missing; the last two domains share a domain id where there are three or more. Devices with
 * ATS have their device TLBs flushed, mostly after the IOTLB, send recorded translation requests
 * too, and with `pasids` use one PASID each beside requests without one.
 */
#include <stdlib.h>

#include "traces/generate_private.h"

#define LOW_IOVA (1ull << 30)
#define TOP_IOVA ((1ull << 48) - BLOCK)
#define SPACE_END (1ull << 48)
#define GIB (1ull << 30)
#define LARGE_PA 0x200000000ull /* 2 MiB blocks */
#define HUGE_PA 0x400000000ull	/* 1 GiB blocks */
#define PERM_BITS 0xfffull	/* of a page's target, which is aligned */

enum {
	BLOCK_PAGES = 512,
	BLOCK = BLOCK_PAGES * PAGE,
	HOT_PAGES = 16,	  /* at either end of a block */
	FRAMES = 512,	  /* small physical pages in use */
	LARGE_FRAMES = 8, /* and 2 MiB ones */
	HUGE_FRAMES = 2,
	RECENT = 8,
	WAITING = 4,
	ACTION_EVENTS = 12, /* that one action makes at most */
	SHARED_DID = 0x50,  /* above any number that domains get by themselves */
	NO_OWNER = 255,	    /* nobody has allocated the page */
	UNKNOWN_OWNER = 254,
};

struct chaos_domain {
	uint64_t *held;		 /* by page: physical address and permissions, or 0 */
	uint64_t recent[RECENT]; /* pages unmapped of late */
	uint32_t n_recent;
};

/* Physical memory that changes hands: small pages, then 2 MiB blocks. */
struct chaos {
	uint64_t pages, low_pages;
	struct chaos_domain domains[DEVICES_MAX];
	uint64_t domain_of[DEVICES_MAX];    /* of each device; DEVICES_MAX: detached */
	uint64_t pasid_domain[DEVICES_MAX]; /* the same of its requests with a PASID */
	uint8_t owners[FRAMES + LARGE_FRAMES];
	struct {
		uint64_t id;
		uint32_t due; /* actions until its done event */
	} waiting[WAITING];
	uint32_t n_waiting;
	uint64_t next_id;
	uint32_t iommu;
	uint64_t held[];
};

/* A stretch of the arena. */
struct stretch {
	uint64_t domain, page, n;
	bool huge; /* the whole GiB that holds the low blocks; page and n say what lies in the arena */
};

int chaos_init(struct generator *g, struct err *err)
{
	uint64_t low = (g->options.pages + BLOCK_PAGES - 1) / BLOCK_PAGES * BLOCK_PAGES;
	uint64_t pages = low + BLOCK_PAGES;
	struct chaos *chaos =
		calloc(1, sizeof *chaos + g->options.domains * pages * sizeof chaos->held[0]);

	g->state = chaos;
	if (!chaos)
		return err_no_memory(err, "a generator's tables");
	chaos->low_pages = low;
	chaos->pages = pages;
	for (uint64_t i = 0; i < g->options.domains; i++)
		chaos->domains[i].held = chaos->held + i * pages;
	for (uint64_t i = 0; i < g->options.devices; i++)
		chaos->domain_of[i] = home_domain(g, i);
	for (uint64_t i = 0; i < g->options.devices; i++)
		chaos->pasid_domain[i] = DEVICES_MAX;
	for (unsigned i = 0; i < FRAMES + LARGE_FRAMES; i++)
		chaos->owners[i] = UNKNOWN_OWNER;
	if (g->options.domains >= 3)
		g->shared_did = SHARED_DID;
	/* invalidations of everything name it; without a declaration it is there */
	chaos->iommu = names_declare(g->head.names, NAMES_IOMMUS,
				     names_string(g->head.names, "iommu0", 6));
	return chaos->iommu == NAME_NONE ? err_no_memory(err, "a generator's names") : 0;
}

/* ---- choices --------------------------------------------------------------------------------- */

static uint64_t iova_of(const struct chaos *chaos, uint64_t page)
{
	return page < chaos->low_pages ? LOW_IOVA + page * PAGE
				       : TOP_IOVA + (page - chaos->low_pages) * PAGE;
}

static uint64_t any_domain(struct generator *g)
{
	return rng_below(&g->rng, (uint32_t)g->options.domains);
}

/* Mostly a hot page at the beginning or the end of a block. */
static uint64_t any_page(struct generator *g, const struct chaos *chaos)
{
	bool top = rng_percent(&g->rng, 15);
	uint64_t block = top ? chaos->low_pages / BLOCK_PAGES
			     : rng_below(&g->rng, (uint32_t)(chaos->low_pages / BLOCK_PAGES));
	uint32_t place = rng_below(&g->rng, 100);
	uint64_t index;

	if (place < 60 && !top)
		index = rng_below(&g->rng, HOT_PAGES);
	else if (place < 85)
		index = BLOCK_PAGES - 1 - rng_below(&g->rng, top ? HOT_PAGES / 4 : HOT_PAGES);
	else
		index = rng_below(&g->rng, BLOCK_PAGES);
	return block * BLOCK_PAGES + index;
}

/* A page that the domain has mapped, if a few tries find one. */
static uint64_t live_page(struct generator *g, const struct chaos *chaos, uint64_t domain)
{
	uint64_t page = any_page(g, chaos);

	for (unsigned tries = 0; tries < 16 && !chaos->domains[domain].held[page]; tries++)
		page = any_page(g, chaos);
	return page;
}

/* One page, a few, a block, a block and more, or anything; never across the gap of the arena. */
static struct stretch any_stretch(struct generator *g, const struct chaos *chaos, bool live)
{
	uint64_t domain = any_domain(g);
	struct stretch stretch = { .domain = domain, .n = 1 };
	uint32_t kind = rng_below(&g->rng, 100);
	uint64_t end;

	stretch.page = live ? live_page(g, chaos, domain) : any_page(g, chaos);
	if (kind >= 97) {
		return (struct stretch){ domain, 0, chaos->low_pages, true };
	} else if (kind >= 92) {
		stretch.n = 1 + rng_below(&g->rng, BLOCK_PAGES);
	} else if (kind >= 75) {
		stretch.page -= stretch.page % BLOCK_PAGES;
		stretch.n = BLOCK_PAGES + (kind >= 88 ? rng_below(&g->rng, 32) : 0);
	} else if (kind >= 50) {
		stretch.n = 1 + rng_below(&g->rng, HOT_PAGES);
	}
	end = stretch.page < chaos->low_pages ? chaos->low_pages : chaos->pages;
	if (stretch.n > end - stretch.page)
		stretch.n = end - stretch.page;
	return stretch;
}

static uint64_t stretch_iova(const struct chaos *chaos, const struct stretch *stretch)
{
	return iova_of(chaos, stretch->page);
}

static uint64_t stretch_size(const struct stretch *stretch)
{
	return stretch->huge ? GIB : stretch->n * PAGE;
}

static unsigned any_perm(struct generator *g)
{
	uint32_t kind = rng_below(&g->rng, 100);

	return kind < 70 ? 3 : kind < 85 ? 1 : 2;
}

/* Physical memory that suits the size; now and then not aligned as large pages would need it. */
static uint64_t any_target(struct generator *g, const struct stretch *stretch)
{
	if (stretch->huge)
		return HUGE_PA + rng_below(&g->rng, HUGE_FRAMES) * GIB;
	if (stretch->n < BLOCK_PAGES)
		return GENERATE_PA + (uint64_t)rng_below(&g->rng, FRAMES) * PAGE;
	return LARGE_PA + (uint64_t)rng_below(&g->rng, LARGE_FRAMES) * BLOCK +
	       (rng_percent(&g->rng, 15) ? PAGE : 0);
}

/* ---- invalidations ----------------------------------------------------------------------------- */

/* How an invalidation names what it is for. */
enum scope { SCOPE_RANGE, SCOPE_DOMAIN, SCOPE_ALL };

static void put_inval(struct generator *g, struct chaos *chaos, enum scope scope, uint64_t domain,
		      uint64_t iova, uint64_t size)
{
	bool ranged = scope == SCOPE_RANGE, unit = scope == SCOPE_ALL && rng_percent(&g->rng, 50);
	struct event *event =
		put_event(g, EVENT_INVAL, scope == SCOPE_ALL ? EVENT_NO_AGENT : g->domains[domain],
			  ranged ? iova : 0);

	if (unit)
		put_field(g, event, INVAL_IOMMU, chaos->iommu);
	if (ranged)
		put_field(g, event, INVAL_SIZE, size);
	if (ranged && rng_percent(&g->rng, 40))
		put_field(g, event, INVAL_LEAF, 1);
	if (rng_percent(&g->rng, 10))
		put_field(g, event, INVAL_DRAIN, 1);
	if (chaos->n_waiting < WAITING && rng_percent(&g->rng, 20)) {
		put_field(g, event, INVAL_ID, ++chaos->next_id);
		chaos->waiting[chaos->n_waiting].id = chaos->next_id;
		chaos->waiting[chaos->n_waiting++].due = 1 + rng_below(&g->rng, 12);
	}
}

static bool has_ats(const struct generator *g, uint64_t device)
{
	return device < g->options.ats;
}

/* A PASID of its own for each device: in the first page of its table, or far behind. */
static uint32_t pasid_agent(struct generator *g, uint64_t device)
{
	struct agent agent = names_agent_of(g->head.names, g->devices[device]);

	agent.pasid = device & 1 ? 5 : (uint32_t)(1000 * (device + 1));
	return names_agent(g->head.names, agent);
}

/* The device's requests without a PASID, or now and then those with one. */
static uint32_t any_agent(struct generator *g, uint64_t device, bool *pasid)
{
	*pasid = g->options.pasids && has_ats(g, device) && rng_percent(&g->rng, 50);
	return *pasid ? pasid_agent(g, device) : g->devices[device];
}

/* A device TLB, the range of the update or all of it. */
static void put_atc_inval(struct generator *g, uint64_t iova, uint64_t size)
{
	uint64_t device = rng_below(&g->rng, (uint32_t)g->options.ats);
	bool pasid, ranged = rng_percent(&g->rng, 80);
	struct event *event =
		put_event(g, EVENT_INVAL, any_agent(g, device, &pasid), ranged ? iova : 0);

	if (ranged)
		put_field(g, event, INVAL_SIZE, size);
	put_field(g, event, INVAL_ATC, 1);
}

/* What software does after an update: the right thing half of the time. */
static void follow_up(struct generator *g, struct chaos *chaos, const struct stretch *stretch)
{
	uint64_t iova = stretch_iova(chaos, stretch), size = stretch_size(stretch);
	uint32_t kind = rng_below(&g->rng, 100);
	bool atc = g->options.ats && rng_percent(&g->rng, 60);

	if (atc && rng_percent(&g->rng, 15)) { /* too early */
		put_atc_inval(g, iova, size);
		atc = false;
	}
	if (kind < 45)
		put_inval(g, chaos, SCOPE_RANGE, stretch->domain, iova, size);
	else if (kind < 55)
		put_inval(g, chaos, SCOPE_DOMAIN, stretch->domain, 0, 0);
	else if (kind < 60)
		put_inval(g, chaos, SCOPE_ALL, 0, 0, 0);
	else if (kind < 70) /* too small */
		put_inval(g, chaos, SCOPE_RANGE, stretch->domain, iova,
			  size > 2ull * PAGE && kind < 65 ? size / 2 & ~PERM_BITS : PAGE);
	else if (kind < 75) /* one page beside it */
		put_inval(g, chaos, SCOPE_RANGE, stretch->domain, iova - PAGE, size);
	else if (kind < 82)
		put_inval(g, chaos, SCOPE_RANGE, any_domain(g), iova, size);
	if (atc)
		put_atc_inval(g, iova, size);
}

static void put_config_inval(struct generator *g, uint64_t device)
{
	put_field(g, put_event(g, EVENT_INVAL, g->devices[device], 0), INVAL_CONFIG, 1);
}

static void act_inval(struct generator *g, struct chaos *chaos)
{
	uint32_t kind = rng_below(&g->rng, 100);
	struct stretch stretch = any_stretch(g, chaos, true);

	if (kind < 15)
		put_config_inval(g, rng_below(&g->rng, (uint32_t)g->options.devices));
	else if (kind < 75)
		put_inval(g, chaos, SCOPE_RANGE, stretch.domain, stretch_iova(chaos, &stretch),
			  stretch_size(&stretch));
	else
		put_inval(g, chaos, kind < 92 ? SCOPE_DOMAIN : SCOPE_ALL, stretch.domain, 0, 0);
}

/* Completions that are due; what waits when the recording ends never completes. */
static void complete(struct generator *g, struct chaos *chaos)
{
	for (uint32_t i = 0; i < chaos->n_waiting; i++) {
		struct event *event;

		if (--chaos->waiting[i].due)
			continue;
		event = put_event(g, EVENT_DONE, EVENT_NO_AGENT, 0);
		put_field(g, event, DONE_ID, chaos->waiting[i].id);
		if (rng_percent(&g->rng, 10))
			put_field(g, event, DONE_STATUS, rng_below(&g->rng, 3));
		chaos->waiting[i--] = chaos->waiting[--chaos->n_waiting];
	}
}

/* ---- updates --------------------------------------------------------------------------------- */

static bool any_held(const struct chaos *chaos, const struct stretch *stretch)
{
	for (uint64_t i = 0; i < stretch->n; i++)
		if (chaos->domains[stretch->domain].held[stretch->page + i])
			return true;
	return false;
}

static void act_map(struct generator *g, struct chaos *chaos)
{
	struct stretch stretch = any_stretch(g, chaos, rng_percent(&g->rng, 25));
	uint64_t pa = any_target(g, &stretch),
		 *held = chaos->domains[stretch.domain].held + stretch.page;
	bool replaces = any_held(chaos, &stretch);
	unsigned perm = any_perm(g);
	struct event *event = put_map(g, stretch.domain, stretch_iova(chaos, &stretch), pa,
				      stretch_size(&stretch), perm);

	if (!stretch.huge && stretch.n > 1 && rng_percent(&g->rng, 10))
		put_field(g, event, MAP_PAGE, PAGE);
	else if (stretch.huge && rng_percent(&g->rng, 30))
		put_field(g, event, MAP_PAGE, BLOCK);
	for (uint64_t i = 0; i < stretch.n; i++)
		held[i] = (pa + i * PAGE) | perm;
	if (replaces && rng_percent(&g->rng, 75))
		follow_up(g, chaos, &stretch);
}

static void act_unmap(struct generator *g, struct chaos *chaos)
{
	struct stretch stretch = any_stretch(g, chaos, rng_percent(&g->rng, 90));
	struct chaos_domain *domain = &chaos->domains[stretch.domain];

	put_field(g,
		  put_event(g, EVENT_UNMAP, g->domains[stretch.domain],
			    stretch_iova(chaos, &stretch)),
		  UNMAP_SIZE, stretch_size(&stretch));
	domain->recent[domain->n_recent++ % RECENT] =
		stretch.page + rng_below(&g->rng, (uint32_t)stretch.n);
	for (uint64_t i = 0; i < stretch.n; i++)
		domain->held[stretch.page + i] = 0;
	follow_up(g, chaos, &stretch);
}

static void act_protect(struct generator *g, struct chaos *chaos)
{
	struct stretch stretch = any_stretch(g, chaos, true);
	uint64_t *held = chaos->domains[stretch.domain].held + stretch.page;
	unsigned perm = any_perm(g);
	struct event *event = put_event(g, EVENT_PROTECT, g->domains[stretch.domain],
					stretch_iova(chaos, &stretch));

	put_field(g, event, PROTECT_SIZE, stretch_size(&stretch));
	put_field(g, event, PROTECT_PERM, perm);
	for (uint64_t i = 0; i < stretch.n; i++)
		if (held[i])
			held[i] = (held[i] & ~PERM_BITS) | perm;
	follow_up(g, chaos, &stretch);
}

static void act_attach(struct generator *g, struct chaos *chaos)
{
	uint64_t device = rng_below(&g->rng, (uint32_t)g->options.devices), domain = any_domain(g);
	bool pasid;
	uint32_t who = any_agent(g, device, &pasid);
	uint64_t *of = pasid ? &chaos->pasid_domain[device] : &chaos->domain_of[device];
	bool attached = *of < DEVICES_MAX;
	struct agent agent = names_agent_of(g->head.names, who);
	uint32_t kind = rng_below(&g->rng, 100);

	if (attached && kind < 60) {
		put_event(g, EVENT_DETACH, who, 0);
		*of = DEVICES_MAX;
	}
	if (!attached || kind >= 10) {
		agent.domain = names_agent_of(g->head.names, g->domains[domain]).domain;
		put_event(g, EVENT_ATTACH, names_agent(g->head.names, agent), 0);
		*of = domain;
	}
	if (rng_percent(&g->rng, 50))
		put_config_inval(g, device);
}

/* ---- who owns data pages ------------------------------------------------------------------------ */

/* The number of a page in owners[], preferably of one that a domain has mapped. */
static uint32_t any_frame(struct generator *g, const struct chaos *chaos)
{
	uint64_t domain = any_domain(g), page = live_page(g, chaos, domain);
	uint64_t pa = chaos->domains[domain].held[page] & ~PERM_BITS;

	if (pa >= GENERATE_PA && pa < GENERATE_PA + (uint64_t)FRAMES * PAGE &&
	    rng_percent(&g->rng, 70))
		return (uint32_t)((pa - GENERATE_PA) / PAGE);
	return rng_below(&g->rng, FRAMES + LARGE_FRAMES);
}

static void act_owner(struct generator *g, struct chaos *chaos)
{
	uint32_t frame = any_frame(g, chaos);
	bool large = frame >= FRAMES, owned = chaos->owners[frame] < UNKNOWN_OWNER;
	uint64_t pa = large ? LARGE_PA + (uint64_t)(frame - FRAMES) * BLOCK
			    : GENERATE_PA + (uint64_t)frame * PAGE;
	uint8_t to = (uint8_t)any_domain(g);
	enum event_kind kind = EVENT_FREE;
	struct event *event;

	if (chaos->owners[frame] == NO_OWNER || (!owned && rng_percent(&g->rng, 50)))
		kind = EVENT_ALLOC;
	else if (owned && rng_percent(&g->rng, 40))
		kind = EVENT_OWNER;
	event = put_event(g, kind, EVENT_NO_AGENT, pa);
	put_field(g, event, FREE_SIZE, large ? BLOCK : PAGE);
	if (kind == EVENT_ALLOC) {
		put_field(g, event, ALLOC_OWNER, g->owners[to]);
	} else if (kind == EVENT_OWNER) {
		put_field(g, event, OWNER_FROM, g->owners[chaos->owners[frame]]);
		put_field(g, event, OWNER_TO, g->owners[to]);
	}
	chaos->owners[frame] = kind == EVENT_FREE ? NO_OWNER : to;
}

/* ---- DMA ------------------------------------------------------------------------------------- */

static uint64_t dma_page_iova(struct generator *g, const struct chaos *chaos, uint64_t number)
{
	const struct chaos_domain *domain = &chaos->domains[number];
	uint32_t kind = rng_below(&g->rng, 100);

	if (kind < 78)
		return iova_of(chaos, live_page(g, chaos, number));
	if (kind < 88 && domain->n_recent)
		return iova_of(
			chaos,
			domain->recent[rng_below(
				&g->rng, domain->n_recent < RECENT ? domain->n_recent : RECENT)]);
	if (kind < 94)
		return iova_of(chaos, any_page(g, chaos));
	if (kind < 96)
		return SPACE_END - PAGE;
	if (kind < 98) /* in the GiB, where only a mapping of all of it reaches */
		return LOW_IOVA + (uint64_t)rng_below(&g->rng, (uint32_t)(GIB / PAGE)) * PAGE;
	return (rng_next(&g->rng) & (SPACE_END - 1)) & ~PERM_BITS;
}

/* Where in the page and how much: some requests cross into the next page, few end beyond 2^48. */
static void put_any_dma(struct generator *g, uint64_t device, uint32_t who, uint64_t iova)
{
	uint32_t kind = rng_below(&g->rng, 100), verb = rng_below(&g->rng, 100);
	uint64_t at = 8ull * rng_below(&g->rng, PAGE / 8);
	uint32_t len = 64;

	verb = verb < 45   ? DMA_VERB_READ
	       : verb < 90 ? DMA_VERB_WRITE
	       : verb < 95 ? DMA_VERB_ATOMIC
			   : DMA_VERB_ANY;
	if (verb == DMA_VERB_ATOMIC) {
		len = 8;
	} else if (kind < 10) {
		at = PAGE - 1 - rng_below(&g->rng, 64);
		len = 65 + rng_below(&g->rng, 2 * PAGE);
	} else if (kind < 20) {
		at = 0;
		len = PAGE;
	} else if (kind < 45) {
		len = 1 + rng_below(&g->rng, 512);
	} else if (kind < 48 && verb == DMA_VERB_READ) {
		len = 0; /* a flushing read */
	}
	if (iova + at + len > SPACE_END && !rng_percent(&g->rng, 20)) {
		at = 0;
		len = len < PAGE ? len : PAGE;
	}
	put_dma(g, device, (enum dma_verb)verb, iova + at, len);
	g->events[g->n - 1].agent = who;
	if (has_ats(g, device) && rng_percent(&g->rng, 10))
		put_field(g, &g->events[g->n - 1], DMA_ATS, rng_below(&g->rng, 2));
}

static void act_dma(struct generator *g, struct chaos *chaos)
{
	uint64_t device = rng_below(&g->rng, (uint32_t)g->options.devices), domain;
	uint32_t n = 1 + rng_below(&g->rng, 4), who;
	bool pasid;

	who = any_agent(g, device, &pasid);
	domain = pasid ? chaos->pasid_domain[device] : chaos->domain_of[device];
	if (domain == DEVICES_MAX)
		domain = any_domain(g);
	for (uint64_t iova = dma_page_iova(g, chaos, domain); n; n--) {
		put_any_dma(g, device, who, iova);
		if (rng_percent(&g->rng, 60))
			iova = dma_page_iova(g, chaos, domain);
	}
}

/* ---- the mix ----------------------------------------------------------------------------------- */

static const struct {
	uint32_t weight; /* of 100 */
	void (*act)(struct generator *g, struct chaos *chaos);
} actions[] = {
	{ 58, act_dma },  { 14, act_map },  { 10, act_unmap }, { 4, act_protect },
	{ 6, act_inval }, { 6, act_owner }, { 2, act_attach },
};

void chaos_next(struct generator *g)
{
	struct chaos *chaos = g->state;
	size_t first = g->n;

	while (has_room(g, ACTION_EVENTS) && g->n - first < g->left) {
		uint32_t draw = rng_below(&g->rng, 100);
		unsigned i = 0;

		while (i + 1 < sizeof actions / sizeof actions[0] && draw >= actions[i].weight)
			draw -= actions[i++].weight;
		actions[i].act(g, chaos);
		complete(g, chaos);
	}
	if (g->n - first > g->left)
		g->n = first + g->left;
	g->left -= g->n - first;
}
