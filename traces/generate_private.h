/* What the generator (generate.c) and its patterns share. */
#ifndef IOMMUSIM_TRACES_GENERATE_PRIVATE_H
#define IOMMUSIM_TRACES_GENERATE_PRIVATE_H

#include <assert.h>

#include "traces/generate.h"
#include "traces/rng.h"

enum {
	DEVICES_MAX = 64,
	SLOTS_PER_EVENT = 6, /* an inval with all its keys has five */
	PAGE = 4096,
};

#define GENERATE_IOVA 0x10000000ull /* input address of page 0 */
#define GENERATE_PA 0x100000000ull  /* above 4 GiB, like most memory */

struct generator;

/* One kind of workload. Adding one is a row in generate.c. */
struct pattern {
	const char *name;
	const char *about;
	const char *device; /* devices are called this and a number */
	/* Defaults; fixed_pages: the pattern has its own and --pages does not apply. */
	uint64_t pages, devices, domains;
	bool fixed_pages;
	uint64_t pages_max;
	uint64_t events_each; /* events that one of options.events makes at most */
	/* Sets setup_pages and state (one allocation, freed by the generator). */
	int (*init)(struct generator *generator, struct err *err);
	/* Adds events to the batch, at least one while `left` is not 0, and counts `left` down. */
	void (*next)(struct generator *generator);
};

struct generator {
	struct event_source head;
	const struct pattern *pattern;
	struct generate_options options;
	struct rng rng;
	uint64_t left;		/* of options.events */
	uint64_t now_ns, first; /* time of the next event, number of events[0] */
	uint64_t n_slots;
	size_t n;
	/* Setup: what is declared next. */
	uint64_t next_domain, next_device, next_attach, map_domain, map_page;
	uint64_t setup_pages;	      /* pages that the setup maps in each domain */
	uint64_t shared_did;	      /* the last two domains have this domain id; 0: no */
	uint32_t owners[DEVICES_MAX]; /* string number, by domain */
	uint32_t domains[DEVICES_MAX], devices[DEVICES_MAX]; /* agent numbers */
	void *state;
	struct event events[EVENT_BATCH];
	uint64_t slots[EVENT_BATCH * SLOTS_PER_EVENT];
};

/* Whether the batch takes n more events. */
static inline bool has_room(const struct generator *g, size_t n)
{
	return g->n + n <= EVENT_BATCH;
}

static inline struct event *put_event(struct generator *g, enum event_kind kind, uint32_t agent,
				      uint64_t addr)
{
	struct event *event = &g->events[g->n++];

	*event = (struct event){ .time_ns = g->now_ns,
				 .addr = addr,
				 .agent = agent,
				 .kind = (uint8_t)kind,
				 .slot = (uint32_t)g->n_slots };
	g->now_ns += g->options.gap_ns;
	return event;
}

/* Fields are put in the order of their numbers. */
static inline void put_field(struct generator *g, struct event *event, unsigned field,
			     uint64_t value)
{
	event->present = (uint16_t)(event->present | 1u << field);
	g->slots[g->n_slots++] = value;
}

static inline void put_dma(struct generator *g, uint64_t device, enum dma_verb verb, uint64_t iova,
			   uint32_t len)
{
	struct event *event = put_event(g, EVENT_DMA, g->devices[device], iova);

	event->len = len;
	event->flags = (uint8_t)(verb << 2);
}

static inline struct event *put_map(struct generator *g, uint64_t domain, uint64_t iova,
				    uint64_t pa, uint64_t size, unsigned perm)
{
	struct event *event = put_event(g, EVENT_MAP, g->domains[domain], iova);

	put_field(g, event, MAP_PA, pa);
	put_field(g, event, MAP_SIZE, size);
	put_field(g, event, MAP_PERM, perm);
	return event;
}

/* The domain that a device is attached to by the setup. */
static inline uint64_t home_domain(const struct generator *g, uint64_t device)
{
	assert(g->options.domains);
	return device % g->options.domains;
}

int zipf_init(struct generator *generator, struct err *err);
void zipf_next(struct generator *generator);
int ring_init(struct generator *generator, struct err *err);
void ring_next(struct generator *generator);
int nvme_init(struct generator *generator, struct err *err);
void nvme_next(struct generator *generator);
int seq_init(struct generator *generator, struct err *err);
void seq_next(struct generator *generator);
int uniform_init(struct generator *generator, struct err *err);
void uniform_next(struct generator *generator);
int strict_init(struct generator *generator, struct err *err);
void strict_next(struct generator *generator);
int chaos_init(struct generator *generator, struct err *err);
void chaos_next(struct generator *generator);

#endif
