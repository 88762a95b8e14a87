/* Patterns of DMA alone, over pages that the setup mapped: zipf, uniform, seq, ring, nvme. */
#include <math.h>
#include <stdlib.h>

#include "traces/generate_private.h"

static uint64_t page_iova(uint64_t page)
{
	return GENERATE_IOVA + page * PAGE;
}

static int make_state(struct generator *g, size_t size, struct err *err)
{
	g->state = calloc(1, size);
	return g->state ? 0 : err_no_memory(err, "a generator's tables");
}

/* DMAs that this batch still takes. */
static uint64_t take(struct generator *g)
{
	uint64_t n = EVENT_BATCH - g->n < g->left ? EVENT_BATCH - g->n : g->left;

	g->left -= n;
	return n;
}

/* ---- zipf ----------------------------------------------------------------------------------- */

enum { YARDSTICK_PAGES = 65536 };

/* Vose's alias table with the shuffle applied: a draw touches one slot. */
struct zipf_slot {
	uint32_t cut; /* below it (of 2^32) the slot's own page, else the other */
	uint32_t own, other;
};

struct zipf {
	uint32_t pages;
	struct zipf_slot slots[];
};

/*
 * 1 / x^skew from square roots and products alone, one binary digit of skew at a time: IEEE
 * rounds these exactly, so that every machine draws the same pages. pow() differs by library.
 */
static double inverse_power(double x, double skew)
{
	unsigned whole = (unsigned)skew;
	double power = 1, rest = skew - whole;

	for (; whole; whole--)
		power *= x;
	for (unsigned digit = 0; digit < 48 && rest > 0; digit++) {
		x = sqrt(x);
		rest *= 2;
		if (rest >= 1) {
			power *= x;
			rest -= 1;
		}
	}
	return 1 / power;
}

static uint32_t cut_of(double share)
{
	double cut = share * 4294967296.0;

	return cut < 4294967295.0 ? (uint32_t)cut : UINT32_MAX;
}

/* Shares above 1 fill up those below 1; `stack` holds the small from its start, the large from its end. */
static void share_out(struct zipf *zipf, double *shares, uint32_t *stack)
{
	uint32_t n = zipf->pages, small = 0, large = n;

	for (uint32_t i = 0; i < n; i++) {
		zipf->slots[i] = (struct zipf_slot){ UINT32_MAX, i, i };
		if (shares[i] < 1)
			stack[small++] = i;
		else
			stack[--large] = i;
	}
	while (small && large < n) {
		uint32_t poor = stack[--small], rich = stack[large];

		zipf->slots[poor].cut = cut_of(shares[poor]);
		zipf->slots[poor].other = rich;
		shares[rich] -= 1 - shares[poor];
		if (shares[rich] < 1) {
			large++;
			stack[small++] = rich;
		}
	}
}

/* Popularity says nothing about the address. */
static void shuffle(struct generator *g, struct zipf *zipf, uint32_t *order)
{
	for (uint32_t i = 0; i < zipf->pages; i++)
		order[i] = i;
	for (uint32_t i = zipf->pages - 1; i; i--) {
		uint32_t j = (uint32_t)(rng_next(&g->rng) % (i + 1)), page = order[i];

		order[i] = order[j];
		order[j] = page;
	}
	for (uint32_t i = 0; i < zipf->pages; i++) {
		zipf->slots[i].own = order[zipf->slots[i].own];
		zipf->slots[i].other = order[zipf->slots[i].other];
	}
}

int zipf_init(struct generator *g, struct err *err)
{
	uint32_t n = (uint32_t)g->options.pages;
	double *shares = calloc(n, sizeof *shares), sum = 0;
	uint32_t *stack = calloc(n, sizeof *stack);
	struct zipf *zipf;
	int answer = -1;

	if (!shares || !stack) {
		err_no_memory(err, "a generator's tables");
	} else if (make_state(g, sizeof *zipf + n * sizeof zipf->slots[0], err) == 0) {
		zipf = g->state;
		zipf->pages = n;
		for (uint32_t i = 0; i < n; i++) {
			shares[i] = inverse_power(i + 1, g->options.skew);
			sum += shares[i];
		}
		for (uint32_t i = 0; i < n; i++)
			shares[i] = shares[i] / sum * n;
		share_out(zipf, shares, stack);
		shuffle(g, zipf, stack);
		answer = 0;
	}
	free(shares);
	free(stack);
	g->setup_pages = n;
	return answer;
}

void zipf_next(struct generator *g)
{
	const struct zipf *zipf = g->state;
	uint32_t devices = (uint32_t)g->options.devices, pages = zipf->pages;

	for (uint64_t n = take(g); n; n--) {
		uint64_t x = rng_next(&g->rng);
		const struct zipf_slot *slot = &zipf->slots[(uint32_t)x % pages];
		uint32_t page = x >> 32 < slot->cut ? slot->own : slot->other;

		/* Beyond the yardstick's pages, page and device would share random bits. */
		if (pages > YARDSTICK_PAGES)
			x = rng_next(&g->rng);
		put_dma(g, (x >> 21 & 0x7ff) % devices,
			x >> 20 & 1 ? DMA_VERB_WRITE : DMA_VERB_READ,
			page_iova(page) + (x >> 8 & 0xfc0), 64);
	}
}

/* ---- uniform, seq ---------------------------------------------------------------------------- */

int uniform_init(struct generator *g, struct err *err)
{
	(void)err;
	g->setup_pages = g->options.pages;
	return 0;
}

void uniform_next(struct generator *g)
{
	uint32_t pages = (uint32_t)g->options.pages, devices = (uint32_t)g->options.devices;

	for (uint64_t n = take(g); n; n--) {
		uint64_t x = rng_next(&g->rng);

		put_dma(g, (x >> 41 & 0x7ff) % devices,
			x >> 40 & 1 ? DMA_VERB_WRITE : DMA_VERB_READ,
			page_iova((uint32_t)x % pages), 64);
	}
}

struct seq {
	uint64_t page;
};

/* More pages than DMAs would only be mapped in vain. */
int seq_init(struct generator *g, struct err *err)
{
	g->setup_pages =
		g->options.pages < g->options.events ? g->options.pages : g->options.events;
	if (!g->setup_pages)
		g->setup_pages = 1;
	return make_state(g, sizeof(struct seq), err);
}

void seq_next(struct generator *g)
{
	struct seq *seq = g->state;

	for (uint64_t n = take(g); n; n--) {
		uint64_t page = seq->page;

		put_dma(g, page % g->options.devices, page & 1 ? DMA_VERB_WRITE : DMA_VERB_READ,
			page_iova(page), 64);
		seq->page = page + 1 == g->setup_pages ? 0 : page + 1;
	}
}

/* ---- ring ------------------------------------------------------------------------------------ */

enum {
	RINGS = 64,
	RING_ENTRIES = 512,
	RING_ENTRY = 16, /* bytes */
	RING_PAGES = 4,	 /* of descriptors: two that are read, two of completions */
	COMPLETIONS_AT = RING_PAGES / 2 * PAGE,
	RING_BURST = 32, /* packets until the next ring has its turn */
	PAYLOAD = 1500,
	PAYLOAD_AT = 64,	     /* headroom in front of a packet */
	PAYLOADS = 2 * RING_ENTRIES, /* payload pages of a ring: two a descriptor, one is used */
};

struct ring {
	uint32_t heads[RINGS];
	uint32_t at, left, step;
};

int ring_init(struct generator *g, struct err *err)
{
	struct ring *ring;

	if (make_state(g, sizeof *ring, err))
		return -1;
	ring = g->state;
	ring->left = RING_BURST;
	g->setup_pages = (uint64_t)RINGS * (RING_PAGES + PAYLOADS);
	return 0;
}

static void ring_advance(struct ring *ring)
{
	if (++ring->step < 3)
		return;
	ring->step = 0;
	ring->heads[ring->at] = (ring->heads[ring->at] + 1) % RING_ENTRIES;
	if (--ring->left)
		return;
	ring->left = RING_BURST;
	ring->at = (ring->at + 1) % RINGS;
}

void ring_next(struct generator *g)
{
	struct ring *ring = g->state;

	for (uint64_t n = take(g); n; n--) {
		uint64_t head = ring->heads[ring->at], device = ring->at % g->options.devices;
		uint64_t entry = page_iova((uint64_t)ring->at * RING_PAGES) + head * RING_ENTRY;
		uint64_t payload = (uint64_t)RINGS * RING_PAGES + (uint64_t)ring->at * PAYLOADS +
				   head * 2 + (head * 7 & 1);

		if (ring->step == 0)
			put_dma(g, device, DMA_VERB_READ, entry, RING_ENTRY);
		else if (ring->step == 1)
			put_dma(g, device, DMA_VERB_WRITE, page_iova(payload) + PAYLOAD_AT,
				PAYLOAD);
		else
			put_dma(g, device, DMA_VERB_WRITE, entry + COMPLETIONS_AT, RING_ENTRY);
		ring_advance(ring);
	}
}

/* ---- nvme ------------------------------------------------------------------------------------ */

enum {
	QUEUES = 8,	    /* of each drive */
	QUEUE_ENTRIES = 64, /* 64-byte commands fill a page; completions have one of their own */
	COMMAND = 64,
	COMPLETION = 16,
	BUFFERS = 32, /* of each queue */
	BUFFER_PAGES = 32,
	BUFFERS_AT = 2 * PAGE, /* in the queue's pages */
	BUFFER_BYTES = BUFFER_PAGES * PAGE,
	QUEUE_PAGES = 2 + BUFFERS * BUFFER_PAGES,
	PIECE = 512,
};

struct nvme_queue {
	uint64_t head; /* of the queue */
	uint64_t iova; /* of the next piece */
	uint32_t pieces_left;
	enum dma_verb verb;
	bool completing;
};

struct nvme {
	uint64_t at; /* the queue that has its turn, over all drives */
	struct nvme_queue queues[];
};

int nvme_init(struct generator *g, struct err *err)
{
	struct nvme *nvme;
	uint64_t queues = g->options.devices * QUEUES;

	g->setup_pages = queues * QUEUE_PAGES;
	return make_state(g, sizeof *nvme + queues * sizeof nvme->queues[0], err);
}

/* The drive fetches a command: 4 to 128 KiB to or from one of the queue's buffers. */
static void nvme_start(struct generator *g, struct nvme_queue *queue, uint64_t base)
{
	uint32_t pages = 1u << rng_below(&g->rng, 6);

	queue->iova = base + BUFFERS_AT + (uint64_t)rng_below(&g->rng, BUFFERS) * BUFFER_BYTES;
	queue->pieces_left = pages * (PAGE / PIECE);
	queue->verb = rng_percent(&g->rng, 70) ? DMA_VERB_WRITE : DMA_VERB_READ;
	queue->head = (queue->head + 1) % QUEUE_ENTRIES;
}

/* One DMA: the command, a piece of data, or the completion. Queues take turns after each page. */
static void nvme_one(struct generator *g, struct nvme *nvme)
{
	uint64_t drive = nvme->at / QUEUES, base = page_iova(nvme->at * QUEUE_PAGES);
	struct nvme_queue *queue = &nvme->queues[nvme->at];

	if (queue->completing) {
		put_dma(g, drive, DMA_VERB_WRITE, base + PAGE + queue->head * COMPLETION,
			COMPLETION);
		queue->completing = false;
	} else if (!queue->pieces_left) {
		nvme_start(g, queue, base);
		put_dma(g, drive, DMA_VERB_READ, base + queue->head * COMMAND, COMMAND);
		return;
	} else {
		put_dma(g, drive, queue->verb, queue->iova, PIECE);
		queue->iova += PIECE;
		queue->completing = --queue->pieces_left == 0;
		if (queue->iova % PAGE || queue->completing)
			return;
	}
	nvme->at = rng_below(&g->rng, (uint32_t)g->options.devices * QUEUES);
}

void nvme_next(struct generator *g)
{
	for (uint64_t n = take(g); n; n--)
		nvme_one(g, g->state);
}
