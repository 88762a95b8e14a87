/*
 * strict: what a driver does with strict invalidation. Packets come in bursts; each buffer is
 * mapped, hit by one DMA, unmapped and its page invalidated. Input addresses ascend at first and
 * are then recycled last in, first out, as the allocators of drivers do.
 */
#include <stdlib.h>

#include "traces/generate_private.h"

enum { BURST_MAX = 8, EVENTS_A_ROUND = 4, FRAMES = 65536, FRAME_STRIDE = 40503 };

struct strict_domain {
	uint64_t ascending; /* pages handed out so far */
	uint32_t n_free;
	uint64_t free[BURST_MAX]; /* no more are ever out at once */
};

struct strict {
	uint64_t buffers; /* so far; each takes another frame */
	struct strict_domain domains[DEVICES_MAX];
};

struct buffer {
	uint64_t iova;
	enum dma_verb verb;
};

int strict_init(struct generator *g, struct err *err)
{
	g->state = calloc(1, sizeof(struct strict));
	return g->state ? 0 : err_no_memory(err, "a generator's tables");
}

static uint64_t take_iova(struct strict_domain *domain)
{
	if (domain->n_free)
		return domain->free[--domain->n_free];
	return GENERATE_IOVA + domain->ascending++ * PAGE;
}

static void put_exact_inval(struct generator *g, uint64_t domain, uint64_t iova)
{
	struct event *event = put_event(g, EVENT_INVAL, g->domains[domain], iova);

	put_field(g, event, INVAL_SIZE, PAGE);
	put_field(g, event, INVAL_LEAF, 1);
}

static void put_unmap(struct generator *g, uint64_t domain, uint64_t iova)
{
	put_field(g, put_event(g, EVENT_UNMAP, g->domains[domain], iova), UNMAP_SIZE, PAGE);
	put_exact_inval(g, domain, iova);
}

static void burst(struct generator *g, struct strict *strict, uint64_t device, uint32_t n)
{
	uint64_t number = home_domain(g, device);
	struct strict_domain *domain = &strict->domains[number];
	struct buffer buffers[BURST_MAX];

	for (uint32_t i = 0; i < n; i++) {
		uint64_t frame = strict->buffers++ * FRAME_STRIDE % FRAMES;
		bool write = rng_percent(&g->rng, 60);

		buffers[i] = (struct buffer){ take_iova(domain),
					      write ? DMA_VERB_WRITE : DMA_VERB_READ };
		put_map(g, number, buffers[i].iova, GENERATE_PA + frame * PAGE, PAGE,
			write ? 2 : 1);
	}
	for (uint32_t i = 0; i < n; i++)
		put_dma(g, device, buffers[i].verb, buffers[i].iova + 64, 1500);
	for (uint32_t i = 0; i < n; i++) {
		put_unmap(g, number, buffers[i].iova);
		domain->free[domain->n_free++] = buffers[i].iova;
	}
}

void strict_next(struct generator *g)
{
	while (g->left && has_room(g, (size_t)BURST_MAX * EVENTS_A_ROUND)) {
		uint64_t device = rng_below(&g->rng, (uint32_t)g->options.devices);
		uint32_t n = 1 + rng_below(&g->rng, BURST_MAX);

		if (n > g->left)
			n = (uint32_t)g->left;
		g->left -= n;
		burst(g, g->state, device, n);
	}
}
