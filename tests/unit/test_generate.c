#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

#include "traces/generate.h"

static const char *const patterns[] = {
	"zipf", "ring", "nvme", "strict", "seq", "uniform", "chaos"
};

enum { PATTERNS = sizeof patterns / sizeof patterns[0] };

static struct generate_options options_of(const char *pattern, uint64_t events, uint64_t seed)
{
	struct generate_options options;

	generate_defaults(pattern, &options);
	options.events = events;
	options.seed = seed;
	return options;
}

static struct event_source *opened(const struct generate_options *options)
{
	struct event_source *source = NULL;
	struct err err = { 0 };

	cr_assert_eq(generate_open(options, &source, &err), 0, "%s", err.text);
	return source;
}

/* Everything that events and slots say, in one number; *n counts the events of a kind. */
static uint64_t digest_of(const struct generate_options *options, uint64_t n[EVENT_KINDS])
{
	struct event_source *source = opened(options);
	uint64_t digest = 0xcbf29ce484222325ull;
	struct event_batch batch;

	while (source_next(source, &batch, NULL) > 0) {
		for (size_t i = 0; i < batch.n; i++) {
			const struct event *event = &batch.events[i];
			const uint64_t head[] = { event->time_ns, event->addr, event->len,
						  event->agent,	  event->kind, event->flags,
						  event->present };

			for (size_t w = 0; w < sizeof head / sizeof head[0]; w++)
				digest = (digest ^ head[w]) * 0x100000001b3ull;
			for (unsigned s = 0; s < event_slots(event); s++)
				digest = (digest ^ batch.slots[event->slot + s]) * 0x100000001b3ull;
			n[event->kind]++;
		}
	}
	source_close(source);
	return digest;
}

Test(generate, the_seed_decides_everything)
{
	for (unsigned p = 0; p < PATTERNS; p++) {
		struct generate_options options = options_of(patterns[p], 5000, 7);
		uint64_t n[EVENT_KINDS] = { 0 }, first = digest_of(&options, n),
			 again = digest_of(&options, n);

		cr_expect_eq(first, again, "%s", patterns[p]);
		options.seed = 8;
		/* rings and pages in order have nothing to draw */
		if (strcmp(patterns[p], "ring") != 0 && strcmp(patterns[p], "seq") != 0)
			cr_expect_neq(first, digest_of(&options, n), "%s", patterns[p]);
	}
}

/* Which names an event may use: those whose declaring event came before it. */
struct declared {
	bool domain[64], device[64];
};

static void check_names(const struct names *names, const struct event *event,
			struct declared *declared, const char *pattern)
{
	struct agent agent = names_agent_of(names, event->agent);

	if (event->kind == EVENT_DOMAIN)
		declared->domain[agent.domain] = true;
	else if (event->kind == EVENT_DEVICE)
		declared->device[agent.device] = true;
	if (event->agent == EVENT_NO_AGENT)
		return;
	if (agent.domain != NAME_NONE)
		cr_assert(declared->domain[agent.domain], "%s: an undeclared domain", pattern);
	if (agent.device != NAME_NONE)
		cr_assert(declared->device[agent.device], "%s: an undeclared device", pattern);
}

Test(generate, events_stand_in_order_and_names_are_declared_first)
{
	for (unsigned p = 0; p < PATTERNS; p++) {
		struct generate_options options = options_of(patterns[p], 20000, 1);
		struct event_source *source = opened(&options);
		struct declared declared = { 0 };
		struct event_batch batch;
		uint64_t n = 0;

		while (source_next(source, &batch, NULL) > 0) {
			cr_assert_eq(batch.first, n);
			for (size_t i = 0; i < batch.n; i++, n++) {
				cr_assert_eq(batch.events[i].time_ns, n * options.gap_ns, "%s",
					     patterns[p]);
				check_names(source->names, &batch.events[i], &declared,
					    patterns[p]);
			}
		}
		source_close(source);
	}
}

Test(generate, as_many_events_as_ordered)
{
	for (unsigned p = 0; p < PATTERNS; p++) {
		struct generate_options options = options_of(patterns[p], 7777, 1);
		uint64_t n[EVENT_KINDS] = { 0 }, all = 0;

		digest_of(&options, n);
		for (unsigned kind = 0; kind < EVENT_KINDS; kind++)
			all += n[kind];
		if (!strcmp(patterns[p], "chaos")) {
			cr_expect_eq(all, 7777 + options.domains + 2 * options.devices);
			continue;
		}
		cr_expect_eq(n[EVENT_DMA], 7777, "%s", patterns[p]);
		if (!strcmp(patterns[p], "strict")) {
			cr_expect_eq(n[EVENT_MAP], 7777);
			cr_expect_eq(n[EVENT_UNMAP], 7777);
			cr_expect_eq(n[EVENT_INVAL], 7777);
		}
	}
}

/* ---- the yardstick's miss ratios -------------------------------------------------------------- */

enum { LRU_PAGES = 1 << 17, LRU_END = LRU_PAGES };

/* An exact LRU: a list through all pages, most recent first. */
struct lru {
	uint32_t after[LRU_PAGES + 1], before[LRU_PAGES + 1];
	bool held[LRU_PAGES];
	uint32_t n, size;
};

static void lru_unlink(struct lru *lru, uint32_t page)
{
	lru->after[lru->before[page]] = lru->after[page];
	lru->before[lru->after[page]] = lru->before[page];
	lru->held[page] = false;
	lru->n--;
}

/* Whether the page was there. */
static bool lru_touch(struct lru *lru, uint32_t page)
{
	bool hit = lru->held[page];

	if (hit)
		lru_unlink(lru, page);
	else if (lru->n == lru->size)
		lru_unlink(lru, lru->before[LRU_END]);
	lru->before[page] = LRU_END;
	lru->after[page] = lru->after[LRU_END];
	lru->before[lru->after[LRU_END]] = page;
	lru->after[LRU_END] = page;
	lru->held[page] = true;
	lru->n++;
	return hit;
}

static double miss_ratio(const char *pattern, uint32_t size, uint64_t events)
{
	struct generate_options options = options_of(pattern, events, 1);
	struct event_source *source = opened(&options);
	struct lru *lru = calloc(1, sizeof *lru);
	struct event_batch batch;
	uint64_t misses = 0;

	cr_assert_not_null(lru);
	lru->size = size;
	lru->after[LRU_END] = lru->before[LRU_END] = LRU_END;
	while (source_next(source, &batch, NULL) > 0)
		for (size_t i = 0; i < batch.n; i++)
			if (batch.events[i].kind == EVENT_DMA)
				misses += !lru_touch(
					lru, (uint32_t)(batch.events[i].addr - 0x10000000) >> 12);
	free(lru);
	source_close(source);
	return (double)misses / (double)events;
}

struct ratio_case {
	char pattern[8];
	uint32_t size;
	double ratio;
};

ParameterizedTestParameters(generate, streams_miss_as_the_yardstick_says)
{
	static struct ratio_case cases[] = {
		{ "zipf", 64, .8613 },	 { "zipf", 256, .7550 },  { "zipf", 1024, .6257 },
		{ "zipf", 4096, .4656 }, { "ring", 64, .3542 },	  { "ring", 256, .3542 },
		{ "ring", 1024, .3542 }, { "ring", 4096, .3359 },
	};
	return cr_make_param_array(struct ratio_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct ratio_case *c, generate, streams_miss_as_the_yardstick_says)
{
	double ratio = miss_ratio(c->pattern, c->size, 4000000);

	cr_expect_float_eq(ratio, c->ratio, 0.002, "%s, %u entries: %f", c->pattern, c->size,
			   ratio);
}

/* The first references of the yardstick's own program, `genstream zipf 6 page 1`. */
Test(generate, zipf_is_the_yardsticks_stream)
{
	static const uint64_t pages[] = { 60226, 14837, 18200, 39205, 17642, 48374 };
	struct generate_options options = options_of("zipf", 6, 1);
	struct event_source *source = opened(&options);
	struct event_batch batch;
	size_t n = 0;

	while (source_next(source, &batch, NULL) > 0)
		for (size_t i = 0; i < batch.n; i++)
			if (batch.events[i].kind == EVENT_DMA)
				cr_expect_eq((batch.events[i].addr - 0x10000000) >> 12, pages[n++]);
	cr_expect_eq(n, 6);
	source_close(source);
}

/* ---- what patterns promise ---------------------------------------------------------------------- */

/* Neighbouring pages that lie side by side in memory could be held by one entry. */
Test(generate, no_two_mapped_pages_make_a_run)
{
	static const uint64_t sizes[] = { 1, 2, 3, 4, 5, 6, 7, 64, 100, 65536 };

	for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
		struct generate_options options = options_of("uniform", 1, 1);
		struct event_source *source;
		struct event_batch batch;
		uint64_t iova = 0, pa = 0;

		options.pages = sizes[s];
		source = opened(&options);
		while (source_next(source, &batch, NULL) > 0) {
			for (size_t i = 0; i < batch.n; i++) {
				const struct event *event = &batch.events[i];

				if (event->kind != EVENT_MAP)
					continue;
				if (event->addr == iova + 4096)
					cr_assert_neq(event_value(&batch, event, MAP_PA), pa + 4096,
						      "%llu pages", (unsigned long long)sizes[s]);
				iova = event->addr;
				pa = event_value(&batch, event, MAP_PA);
			}
		}
		source_close(source);
	}
}

Test(generate, chaos_makes_every_kind_of_trouble)
{
	static const uint8_t kinds[] = { EVENT_DMA,  EVENT_MAP,	   EVENT_UNMAP,	 EVENT_INVAL,
					 EVENT_DONE, EVENT_ATTACH, EVENT_DETACH, EVENT_PROTECT,
					 EVENT_FREE, EVENT_ALLOC,  EVENT_OWNER };
	struct generate_options options = options_of("chaos", 50000, 3);
	struct event_source *source = opened(&options);
	uint64_t n[EVENT_KINDS] = { 0 }, config = 0, everything = 0, crossing = 0, top = 0, gib = 0;
	struct event_batch batch;

	while (source_next(source, &batch, NULL) > 0) {
		for (size_t i = 0; i < batch.n; i++) {
			const struct event *event = &batch.events[i];

			n[event->kind]++;
			if (event->kind == EVENT_INVAL) {
				config += event_has(event, INVAL_CONFIG);
				everything += event->agent == EVENT_NO_AGENT;
			} else if (event->kind == EVENT_DMA) {
				crossing += (event->addr & 4095) + event->len > 4096;
				top += event->addr >> 12 == 0xfffffffffull;
			} else if (event->kind == EVENT_MAP) {
				gib += event_value(&batch, event, MAP_SIZE) == 1u << 30;
			}
		}
	}
	for (size_t k = 0; k < sizeof kinds; k++)
		cr_expect_gt(n[kinds[k]], 50, "%s", event_kinds[kinds[k]].word);
	cr_expect(config > 50 && everything > 50 && crossing > 50 && top > 50 && gib > 50,
		  "%llu %llu %llu %llu %llu", (unsigned long long)config,
		  (unsigned long long)everything, (unsigned long long)crossing,
		  (unsigned long long)top, (unsigned long long)gib);
	source_close(source);
}

/* ---- refusals ------------------------------------------------------------------------------------ */

struct refused_case {
	char name[40];
	char pattern[16];
	uint64_t events, pages, devices, domains, gap_ns;
	double skew;
	char says[64];
};

ParameterizedTestParameters(generate, options_out_of_range_are_refused)
{
	static struct refused_case cases[] = {
		{ "unknown pattern", "zifp", 1, 1, 1, 1, 1, 1, "did you mean 'zipf'?" },
		{ "empty pattern", "", 1, 1, 1, 1, 1, 1, "expected one of zipf, ring" },
		{ "no device", "zipf", 1, 1, 0, 1, 1, 1, "devices is 0; expected 1 to 64" },
		{ "too many devices", "zipf", 1, 1, 65, 1, 1, 1, "devices is 65" },
		{ "more domains than devices", "zipf", 1, 1, 2, 3, 1, 1,
		  "domains is 3; expected 1 to 2" },
		{ "no pages", "zipf", 1, 0, 1, 1, 1, 1, "pages is 0" },
		{ "pages that fill memory", "zipf", 1, 1ull << 40, 1, 1, 1, 1,
		  "expected 1 to 4194304" },
		{ "pages of a ring", "ring", 1, 5, 1, 1, 1, 1, "pattern ring has its own pages" },
		{ "negative skew", "zipf", 1, 1, 1, 1, 1, -1, "skew is -1" },
		{ "skew that is no number", "zipf", 1, 1, 1, 1, 1, __builtin_nan(""), "skew is" },
		{ "time beyond 64 bits", "zipf", 1ull << 60, 1, 1, 1, 100, 1, "beyond 64 bits" },
		{ "rounds beyond 64 bits", "strict", 1ull << 63, 0, 1, 1, 1, 1, "beyond 64 bits" },
	};
	return cr_make_param_array(struct refused_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct refused_case *c, generate, options_out_of_range_are_refused)
{
	struct generate_options options = { .pattern = c->pattern,
					    .events = c->events,
					    .seed = 1,
					    .pages = c->pages,
					    .skew = c->skew,
					    .devices = c->devices,
					    .domains = c->domains,
					    .gap_ns = c->gap_ns };
	struct event_source *source;
	struct err err = { 0 };

	cr_assert_eq(generate_open(&options, &source, &err), -1, "%s", c->name);
	cr_expect_eq(err.code, ERR_USAGE);
	cr_expect_not_null(strstr(err.text, c->says), "%s: %s", c->name, err.text);
}
