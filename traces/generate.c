/* Generators: the table of patterns, options, declarations and the maps that come first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "traces/generate_private.h"

static const struct pattern patterns[] = {
	{ "zipf", "Zipf over the pages, order shuffled: a hot set with a long tail", "dev", 65536,
	  8, 2, false, 1 << 22, 1, zipf_init, zipf_next },
	{ "ring", "NIC rings: descriptor read, payload write, completion write", "nic", 65792, 8, 2,
	  true, 0, 1, ring_init, ring_next },
	{ "nvme", "drives with 8 queues, transfers of 4 to 128 KiB in 512-byte pieces", "nvme", 0,
	  4, 2, true, 0, 1, nvme_init, nvme_next },
	{ "strict", "rounds of map, DMA, unmap, invalidate", "dev", 0, 4, 4, true, 0, 4,
	  strict_init, strict_next },
	{ "seq", "pages in order, none twice until all were used", "dev", 1 << 20, 8, 2, false,
	  1 << 24, 1, seq_init, seq_next },
	{ "uniform", "uniform over the pages", "dev", 65536, 8, 2, false, 1 << 24, 1, uniform_init,
	  uniform_next },
	{ "chaos", "random updates, wrong and missing invalidations, DMA of every kind", "dev",
	  1024, 6, 4, false, 1 << 16, 1, chaos_init, chaos_next },
};

enum { PATTERNS = sizeof patterns / sizeof patterns[0], GAP_NS = 100, EVENTS = 1000000 };

static const struct pattern *find_pattern(const char *name)
{
	for (unsigned i = 0; i < PATTERNS; i++)
		if (!strcmp(patterns[i].name, name))
			return &patterns[i];
	return NULL;
}

void generate_defaults(const char *pattern, struct generate_options *options)
{
	const struct pattern *row = find_pattern(pattern);

	if (!row)
		row = &patterns[0]; /* generate_open() refuses the name */
	*options = (struct generate_options){ .pattern = pattern,
					      .events = EVENTS,
					      .seed = 1,
					      .pages = row->pages,
					      .skew = 0.9,
					      .devices = row->devices,
					      .domains = row->domains,
					      .gap_ns = GAP_NS };
}

/* ---- options ------------------------------------------------------------------------------ */

static const char *pattern_at(const void *ctx, uint32_t i)
{
	(void)ctx;
	return i < PATTERNS ? patterns[i].name : NULL;
}

static int refuse_pattern(const char *name, struct err *err)
{
	const char *near = nearest_word(name, strlen(name), pattern_at, NULL);
	char list[128] = "";

	for (unsigned i = 0; i < PATTERNS; i++)
		snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "",
			 patterns[i].name);
	return err_set(err, ERR_USAGE, "unknown pattern '%.40s'; expected one of %s%s%s%s", name,
		       list, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int check_number(const char *name, uint64_t value, uint64_t min, uint64_t max,
			struct err *err)
{
	if (value >= min && value <= max)
		return 0;
	return err_set(err, ERR_USAGE, "%s is %llu; expected %llu to %llu", name,
		       (unsigned long long)value, (unsigned long long)min, (unsigned long long)max);
}

static int check_options(const struct pattern *pattern, const struct generate_options *options,
			 struct err *err)
{
	if (check_number("devices", options->devices, 1, DEVICES_MAX, err) ||
	    check_number("domains", options->domains, 1, options->devices, err) ||
	    check_number("ats", options->ats, 0, options->devices, err) ||
	    check_number("pasids", options->pasids, 0, 1, err))
		return -1;
	if (!pattern->fixed_pages &&
	    check_number("pages", options->pages, 1, pattern->pages_max, err))
		return -1;
	if (pattern->fixed_pages && options->pages && options->pages != pattern->pages)
		return err_set(
			err, ERR_USAGE,
			"pages is %llu; pattern %s has its own pages and takes no number of them",
			(unsigned long long)options->pages, pattern->name);
	if (!(options->skew >= 0 && options->skew <= 8))
		return err_set(err, ERR_USAGE, "skew is %g; expected 0 to 8", options->skew);
	return 0;
}

/* Times are 64-bit nanoseconds: the last event must still have one. */
static int check_time(const struct generator *g, struct err *err)
{
	const struct generate_options *options = &g->options;
	uint64_t setup = options->domains * (1 + g->setup_pages) + 2 * options->devices;
	uint64_t total, end;

	if (!__builtin_mul_overflow(options->events, g->pattern->events_each, &total) &&
	    !__builtin_add_overflow(total, setup + EVENT_BATCH, &total) &&
	    !__builtin_mul_overflow(total, options->gap_ns, &end))
		return 0;
	return err_set(err, ERR_USAGE,
		       "%llu events, %llu ns apart, go beyond 64 bits of nanoseconds; expected "
		       "fewer or closer",
		       (unsigned long long)options->events, (unsigned long long)options->gap_ns);
}

/* ---- declarations --------------------------------------------------------------------------- */

static uint32_t intern(struct generator *g, const char *stem, uint64_t number)
{
	char text[32];
	int length = snprintf(text, sizeof text, "%s%u", stem, (unsigned)number);

	return names_string(g->head.names, text, (size_t)length);
}

/* The last two domains share an id where the pattern asks for it. */
static void put_domain(struct generator *g)
{
	uint64_t number = g->next_domain++;
	uint32_t name = intern(g, "dom", number);
	struct event *event;

	g->owners[number] = intern(g, "guest", number);
	g->domains[number] = names_agent(
		g->head.names,
		(struct agent){ NAME_NONE, names_declare(g->head.names, NAMES_DOMAINS, name),
				PASID_NONE });
	event = put_event(g, EVENT_DOMAIN, g->domains[number], 0);
	put_field(g, event, DOMAIN_NAME, name);
	put_field(g, event, DOMAIN_OWNER, g->owners[number]);
	if (g->shared_did && number + 2 >= g->options.domains)
		put_field(g, event, DOMAIN_DID, g->shared_did);
}

/* Functions 0 to 7 of slot 0 on buses from 1. */
static void put_device(struct generator *g)
{
	uint64_t number = g->next_device++;
	uint32_t name = intern(g, g->pattern->device, number);
	struct event *event;

	g->devices[number] = names_agent(
		g->head.names, (struct agent){ names_declare(g->head.names, NAMES_DEVICES, name),
					       NAME_NONE, PASID_NONE });
	event = put_event(g, EVENT_DEVICE, g->devices[number], 0);
	put_field(g, event, DEVICE_NAME, name);
	put_field(g, event, DEVICE_ID, 1ull << 63 | (1 + number / 8) << 8 | number % 8);
	put_field(g, event, DEVICE_OWNER, g->owners[home_domain(g, number)]);
	if (number < g->options.ats)
		put_field(g, event, DEVICE_ATS, 1);
}

static void put_attach(struct generator *g)
{
	uint64_t device = g->next_attach++;
	struct agent agent = {
		names_agent_of(g->head.names, g->devices[device]).device,
		names_agent_of(g->head.names, g->domains[home_domain(g, device)]).domain, PASID_NONE
	};

	put_event(g, EVENT_ATTACH, names_agent(g->head.names, agent), 0);
}

/* ---- maps ------------------------------------------------------------------------------------ */

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* Near the golden ratio of n, without a common divisor, and not 1: neighbours never stay neighbours. */
static uint64_t stride_of(uint64_t n)
{
	uint64_t stride = n * 79 / 128;

	while (common_divisor(stride, n) != 1 || (stride == 1 && n > 2))
		stride++;
	return stride;
}

/*
 * Every page of every domain, each with its own event and a physical page that does not follow
 * its neighbour's, so that no run of pages can become one large entry or one ledger range.
 */
static void put_maps(struct generator *g)
{
	uint64_t n = g->setup_pages, stride = stride_of(n);

	while (has_room(g, 1) && g->map_domain < g->options.domains) {
		uint64_t frame = g->map_domain * n + (g->map_page + 1) * stride % n;

		put_map(g, g->map_domain, GENERATE_IOVA + g->map_page * PAGE,
			GENERATE_PA + frame * PAGE, PAGE, 3);
		if (++g->map_page == n) {
			g->map_page = 0;
			g->map_domain++;
		}
	}
}

static void put_setup(struct generator *g)
{
	while (has_room(g, 1) && g->next_domain < g->options.domains)
		put_domain(g);
	while (has_room(g, 1) && g->next_device < g->options.devices)
		put_device(g);
	while (has_room(g, 1) && g->next_attach < g->options.devices)
		put_attach(g);
	if (g->setup_pages)
		put_maps(g);
}

/* ---- the source ----------------------------------------------------------------------------- */

/* Names are few (a hundred or so), so that the only reason for a missing one is memory. */
static bool names_failed(const struct generator *g)
{
	for (uint64_t i = 0; i < g->next_domain; i++)
		if (g->domains[i] == EVENT_NO_AGENT || g->owners[i] == NAME_NONE)
			return true;
	for (uint64_t i = 0; i < g->next_device; i++)
		if (g->devices[i] == EVENT_NO_AGENT)
			return true;
	return false;
}

static int generator_next(struct event_source *head, struct event_batch *batch, struct err *err)
{
	struct generator *g = (struct generator *)head;

	g->first += g->n;
	g->n = 0;
	g->n_slots = 0;
	if (g->next_attach < g->options.devices ||
	    (g->setup_pages && g->map_domain < g->options.domains)) {
		put_setup(g);
		if (names_failed(g))
			return err_no_memory(err, "names");
	} else if (g->left) {
		g->pattern->next(g);
	}
	*batch = (struct event_batch){
		.events = g->events, .slots = g->slots, .n = g->n, .first = g->first
	};
	return g->n > 0;
}

static void generator_where(const struct event_source *head, uint64_t number, char *text,
			    size_t size)
{
	const struct generator *g = (const struct generator *)head;

	snprintf(text, size, "generator %s: event %llu", g->pattern->name,
		 (unsigned long long)number);
}

static void generator_close(struct event_source *head)
{
	struct generator *g = (struct generator *)head;

	names_destroy(head->names);
	free(g->state);
	free(g);
}

int generate_open(const struct generate_options *options, struct event_source **out,
		  struct err *err)
{
	static const struct event_source_ops ops = { generator_next, generator_where,
						     generator_close };
	const struct pattern *pattern = find_pattern(options->pattern);
	struct generator *g;

	if (!pattern)
		return refuse_pattern(options->pattern, err);
	if (check_options(pattern, options, err))
		return -1;
	g = calloc(1, sizeof *g);
	if (!g)
		return err_no_memory(err, "a generator");
	g->head.ops = &ops;
	g->head.kind = "generator";
	g->pattern = pattern;
	g->options = *options;
	g->options.pattern = pattern->name;
	g->options.gap_ns = options->gap_ns ? options->gap_ns : GAP_NS;
	g->rng = rng_seed(options->seed);
	g->left = options->events;
	if (names_create(&g->head.names)) {
		err_no_memory(err, "a generator");
		goto fail;
	}
	if (pattern->init(g, err) || check_time(g, err))
		goto fail;
	*out = &g->head;
	return 0;

fail:
	generator_close(&g->head);
	return -1;
}
