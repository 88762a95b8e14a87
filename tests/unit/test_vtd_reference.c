/*
 * The VT-d model against the slow reference translator: random tables, requests and updates, with
 * warm caches and every invalidation that is needed made, so that both must agree on each field.
 *
 * IOMMUSIM_REFERENCE_REQUESTS sets how many requests, IOMMUSIM_REFERENCE_SEED where to begin.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/vector_tree.h"
#include "tests/reference/vtd_world.h"

enum { BATCH = 24, REQUESTS_PER_WORLD = 3000, REQUESTS_BETWEEN_UPDATES = 40 };

/* ---- requests --------------------------------------------------------------------------- */

static uint64_t new_address(struct world *world)
{
	struct rng *rng = &world->rng;
	uint64_t address = rng_next(rng) & 0xfff;

	if (rng_percent(rng, 2))
		return 0xfee00000 + (rng_next(rng) & 0xfffff);
	for (unsigned level = 1; level <= 5; level++) {
		/* Tables of five levels are rare, and so are addresses that need them. */
		if (level == 5 && !rng_percent(rng, 25))
			break;
		if (level == 4 && rng_percent(rng, 60))
			break;
		address |= (uint64_t)world_index(world) << (12 + 9 * (level - 1));
	}
	if (rng_percent(rng, 2))
		address |= world_bit(world);
	return address;
}

static uint64_t random_address(struct world *world)
{
	uint64_t *recent = &world->recent[rng_below(&world->rng, WORLD_RECENT)];

	if (!*recent || rng_percent(&world->rng, 25))
		*recent = new_address(world);
	return (*recent & ~0xfffull) | (rng_next(&world->rng) & 0xfff);
}

static void same_request(const struct world *world, unsigned device,
			 const struct reference_request *same, struct dma_request *request)
{
	*request = (struct dma_request){ .iova = same->address,
					 .len = same->bytes,
					 .device = world->handles[device],
					 .pasid = same->pasid,
					 .access = (uint8_t)((same->read ? ACCESS_READ : 0) |
							     (same->write ? ACCESS_WRITE : 0) |
							     (same->execute ? ACCESS_EXECUTE : 0)),
					 .type = (uint8_t)same->type,
					 .privileged = same->privileged };
}

static void random_request(struct world *world, struct dma_request *request,
			   struct reference_request *same)
{
	struct rng *rng = &world->rng;
	unsigned device = rng_percent(rng, 90) ? rng_below(rng, 8) : rng_below(rng, WORLD_DEVICES);

	*same = (struct reference_request){ .sid = world_sids[device],
					    .pasid = REFERENCE_NO_PASID,
					    .address = random_address(world),
					    .bytes = 1 };
	if (rng_percent(rng, 6))
		same->type = rng_percent(rng, 30) ? REFERENCE_TRANSLATED : REFERENCE_TRANSLATION;
	same->write = rng_percent(rng, 50);
	same->read = !same->write || same->type == REFERENCE_TRANSLATION;
	if (same->read && rng_percent(rng, 10))
		same->bytes = 0;
	same_request(world, device, same, request);
}

/* Scalable mode: every kind of request. */
static void scalable_request(struct world *world, struct dma_request *request,
			     struct reference_request *same)
{
	struct world_target *recent = &world->targets[rng_below(&world->rng, WORLD_RECENT)];
	struct rng *rng = &world->rng;
	unsigned kind = rng_below(rng, 100);

	if (!recent->address || rng_percent(rng, 25))
		world_target(world, recent);
	*same = (struct reference_request){ .sid = world_sids[recent->device],
					    .pasid = recent->pasid,
					    .address = (recent->address & ~0xfffull) |
						       (rng_next(rng) & 0xfff),
					    .bytes = 1 };
	same->type = kind < 2	 ? REFERENCE_TRANSLATED
		     : kind < 17 ? REFERENCE_TRANSLATION
				 : REFERENCE_UNTRANSLATED;
	same->write = rng_percent(rng, 45);
	/* an atomic, or a translation request, which always asks for reading */
	same->read = !same->write || rng_percent(rng, 4) || same->type == REFERENCE_TRANSLATION;
	if (!same->write && rng_percent(rng, 5))
		same->bytes = 0;
	if (same->pasid != REFERENCE_NO_PASID) {
		same->execute = !same->write && rng_percent(rng, 6);
		same->privileged = rng_percent(rng, 12);
	}
	same_request(world, recent->device, same, request);
}

/* ---- comparison ------------------------------------------------------------------------- */

static void compare(struct world *world, const char *which, const struct reference_request *request,
		    const struct reference_answer *want, const struct dma_result *found)
{
	static const uint8_t outcomes[] = { OUTCOME_OK, OUTCOME_FAULT, OUTCOME_INTERRUPT,
					    OUTCOME_BLOCKED };
	static const uint8_t sees[] = { SEES_OK, SEES_UNSUPPORTED, SEES_DROPPED, SEES_ABORT };
	unsigned perm =
		(want->read ? (unsigned)TLB_READ : 0) | (want->write ? (unsigned)TLB_WRITE : 0);
	bool same =
		found->outcome == outcomes[want->result] && found->sees == sees[want->completion];

	if (want->result == REFERENCE_OK && want->page_bytes)
		same &= found->pa == want->pa && 1ull << found->page_lg2 == want->page_bytes &&
			(found->perm & (TLB_READ | TLB_WRITE)) == perm &&
			!(found->flags & TLB_SNOOP) == !want->snoop;
	else if (want->result == REFERENCE_OK)
		same &= found->pa == NO_PA && !(found->perm & (TLB_READ | TLB_WRITE));
	if (want->result == REFERENCE_FAULT)
		same &= found->fault == want->fault;
	cr_assert(
		same,
		"seed %" PRIu64 " event %" PRIu64 ", %s: sid %04x pasid %x address 0x%" PRIx64
		" %s%s%s%s, type %d, %u bytes: the reference says result %d fault %x pa 0x%" PRIx64
		" size 0x%" PRIx64 " perm %u snoop %d sees %d, the model %u %x 0x%" PRIx64
		" 2^%u %u %u %u",
		world->seed, world->event, which, request->sid, request->pasid, request->address,
		request->read ? "r" : "", request->write ? "w" : "", request->execute ? "x" : "",
		request->privileged ? "p" : "", request->type, request->bytes, want->result,
		want->fault, want->pa, want->page_bytes, perm, want->snoop, want->completion,
		found->outcome, found->fault, found->pa, found->page_lg2, found->perm, found->flags,
		found->sees);
}

static void compare_record(struct world *world, const struct reference_answer *want)
{
	uint64_t record[FAULT_RECORD_WORDS] = { 0 };
	unsigned words = vtd_vectors.fault_record(world->iommu, record);
	bool recorded = words && record[1] >> 63;

	cr_assert_eq(recorded, want->recorded, "seed %" PRIu64 " event %" PRIu64 ": recorded",
		     world->seed, world->event);
	if (recorded)
		cr_assert(record[0] == want->record[0] && record[1] == want->record[1],
			  "seed %" PRIu64 " event %" PRIu64 ": record 0x%" PRIx64 " 0x%" PRIx64
			  ", expected 0x%" PRIx64 " 0x%" PRIx64,
			  world->seed, world->event, record[0], record[1], want->record[0],
			  want->record[1]);
}

/* Accessed and dirty bits. */
static void compare_memory(const struct world *world)
{
	for (uint64_t i = 0; i < WORLD_PAGES * WORLD_WORDS; i++) {
		uint64_t found = 0;

		memory_read(world->memory, i * 8, &found);
		cr_assert(found == world->words[i],
			  "seed %" PRIu64 " event %" PRIu64 ": word 0x%" PRIx64 " is 0x%" PRIx64
			  ", the reference has 0x%" PRIx64,
			  world->seed, world->event, i * 8, found, world->words[i]);
	}
}

/* One request with its record and its uncached walk, or a run of them through the fast path. */
static unsigned request_some(struct world *world)
{
	unsigned n = rng_percent(&world->rng, 50) ? 1 : 2 + rng_below(&world->rng, BATCH - 1);
	struct dma_request requests[BATCH];
	struct reference_request same[BATCH];
	struct dma_result results[BATCH], truth;
	struct reference_answer want;

	for (unsigned i = 0; i < n; i++) {
		if (world->scalable)
			scalable_request(world, &requests[i], &same[i]);
		else
			random_request(world, &requests[i], &same[i]);
	}
	for (size_t done = 0; done < n;) /* it stops where an interrupt is raised */
		done += vtd_model.translate(world->iommu, world->event + 1 + done, requests + done,
					    results + done, n - done);
	world->event += n;
	for (unsigned i = 0; i < n; i++) {
		vtd_reference(&world->reference, &same[i], &want);
		compare(world, "translate", &same[i], &want, &results[i]);
		/* of a run only while no later request of it has set accessed bits */
		if (n == 1 || !world->scalable) {
			vtd_model.truth(world->iommu, &requests[i], &truth);
			compare(world, "truth", &same[i], &want, &truth);
		}
		world->outcomes[want.result]++;
		world->faults[want.fault]++;
		world->cached += results[i].cached;
	}
	if (n == 1)
		compare_record(world, &want);
	vtd_model.acknowledge_faults(world->iommu, world->event);
	cr_assert_eq(world->stale, 0, "seed %" PRIu64 " event %" PRIu64 ": a stale copy was used",
		     world->seed, world->event);
	return n;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

/* What many worlds came to. */
struct total {
	uint64_t done, cached, outcomes[4], faults[256];
};

static void run_worlds(void (*create)(struct world *world, uint64_t seed), struct total *total)
{
	uint64_t requests = from_environment("IOMMUSIM_REFERENCE_REQUESTS", 500000);
	uint64_t seed = from_environment("IOMMUSIM_REFERENCE_SEED", 1);
	struct world *world = malloc(sizeof *world);

	cr_assert(world != NULL);
	while (total->done < requests) {
		create(world, seed++);
		for (unsigned i = 0; i < REQUESTS_PER_WORLD;) {
			for (unsigned first = i; i < first + REQUESTS_BETWEEN_UPDATES;)
				i += request_some(world);
			if (i % 8 == 0) /* it takes as long as thousands of requests */
				compare_memory(world);
			world_update(world);
		}
		compare_memory(world);
		for (unsigned i = 0; i < 4; i++)
			total->outcomes[i] += world->outcomes[i];
		for (unsigned i = 0; i < 256; i++)
			total->faults[i] += world->faults[i];
		total->cached += world->cached;
		total->done += REQUESTS_PER_WORLD;
		world_destroy(world);
	}
	free(world);
	if (!getenv("IOMMUSIM_REFERENCE_REQUESTS"))
		return;
	fprintf(stderr,
		"%" PRIu64 " requests: %" PRIu64 " translated, %" PRIu64 " from the cache, %" PRIu64
		" faults:",
		total->done, total->outcomes[0], total->cached, total->outcomes[1]);
	for (unsigned i = 1; i < 256; i++)
		if (total->faults[i])
			fprintf(stderr, " %x:%" PRIu64, i, total->faults[i]);
	fprintf(stderr, "\n");
}

Test(vtd_reference, agrees_with_the_model_on_every_field_of_random_requests, .timeout = 0)
{
	struct total total = { 0 };

	run_worlds(world_create, &total);
	/* The worlds are such that nothing is left untested. */
	cr_expect_gt(total.outcomes[REFERENCE_OK], total.done / 10);
	cr_expect_gt(total.cached, total.done / 50);
	for (unsigned reason = 1; reason <= 14; reason++)
		cr_expect_gt(total.faults[reason], 0, "reason %x never came up", reason);
}

Test(vtd_reference, agrees_with_the_model_in_scalable_mode, .timeout = 0)
{
	static const uint8_t reasons[] = { 0x38, 0x39, 0x3a, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46,
					   0x48, 0x50, 0x51, 0x52, 0x58, 0x59, 0x5a, 0x5b, 0x5c,
					   0x5d, 0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77,
					   0x78, 0x79, 0x7a, 0x7b, 0x7c, 0x80, 0x81, 0x82, 0x83,
					   0x84, 0x85, 0x86, 0x87, 0x90 };
	struct total total = { 0 };

	run_worlds(world_create_scalable, &total);
	cr_expect_gt(total.outcomes[REFERENCE_OK], total.done / 10);
	cr_expect_gt(total.cached, total.done / 50);
	for (size_t i = 0; i < sizeof reasons; i++)
		cr_expect_gt(total.faults[reasons[i]], 0, "reason %x never came up", reasons[i]);
}

/* ---- the reference itself against the test vectors --------------------------------------- */

static void fill(uint64_t *words, uint64_t held, const struct value *memory)
{
	uint64_t pa, value;

	memset(words, 0, held);
	for (const struct value *word = memory->first; word; word = word->next) {
		cr_assert(text_number(word->key, &pa) && text_number(word->text, &value));
		cr_assert_lt(pa, held);
		words[pa / 8] = value;
	}
}

static uint32_t pasid_in(const struct value *request)
{
	const char *text = value_text(request, "pasid");
	uint64_t number;

	return text_number(text, &number) ? (uint32_t)number : REFERENCE_NO_PASID;
}

static void expect_text(const char *id, const struct value *expect, const char *field,
			const char *found)
{
	if (value_member(expect, field))
		cr_expect_str_eq(value_text(expect, field), found, "%s: %s", id, field);
}

static void expect_number(const char *id, const struct value *expect, const char *field,
			  uint64_t found)
{
	if (value_member(expect, field))
		cr_expect_eq(value_number(expect, field, 0), found, "%s: %s", id, field);
}

static void check_vector(const struct value *vector, const struct reference_answer *answer)
{
	static const char *const results[] = { "ok", "fault", "interrupt", "blocked" };
	static const char *const completions[] = { "ok", "ur", "dropped", "ta" };
	static const char *const perms[] = { "none", "r", "w", "rw" };
	const struct value *expect = value_member(vector, "expect");
	const struct value *record = value_member(expect, "record");
	const char *id = value_text(vector, "id");

	expect_text(id, expect, "result", results[answer->result]);
	expect_text(id, expect, "device", completions[answer->completion]);
	expect_text(id, expect, "logged", answer->recorded ? "true" : "false");
	expect_number(id, expect, "fault", answer->fault);
	expect_number(id, expect, "pa", answer->pa);
	expect_number(id, expect, "page_size", answer->page_bytes);
	expect_text(id, expect, "perm", perms[answer->read + 2 * answer->write]);
	cr_expect_eq(!strcmp(value_text(expect, "snoop"), "true"), answer->snoop, "%s: snoop", id);
	for (unsigned i = 0; record && i < 2; i++) {
		const struct value *word = i ? record->first->next : record->first;
		uint64_t value;

		cr_assert(text_number(word->text, &value));
		cr_expect_eq(value, answer->record[i], "%s: word %u of the record", id, i);
	}
}

/* Words that the vector says are otherwise afterwards; none else may be. */
static void check_memory(const char *id, const struct value *vector, const uint64_t *words,
			 uint64_t *before, uint64_t held)
{
	const struct value *after = value_member(value_member(vector, "expect"), "memory_after");
	uint64_t pa, value;

	fill(before, held, value_member(vector, "memory"));
	for (const struct value *word = after ? after->first : NULL; word; word = word->next) {
		cr_assert(text_number(word->key, &pa) && text_number(word->text, &value));
		before[pa / 8] = value;
	}
	cr_expect(memcmp(before, words, held) == 0, "%s: memory_after", id);
}

static void run_vector(const struct value *vector, uint64_t *words, uint64_t *after, uint64_t held)
{
	const struct value *config = value_member(vector, "config");
	const struct value *request = value_member(vector, "request");
	bool write = !strcmp(value_text(request, "access"), "write");
	struct reference_unit unit = { .words = words,
				       .held = held,
				       .limit = value_number(config, "ram_limit", 0),
				       .rtaddr = value_number(config, "rtaddr", 0),
				       .cap = value_number(config, "cap", 0),
				       .ecap = value_number(config, "ecap", 0),
				       .haw = (unsigned)value_number(config, "haw", 0) };
	struct reference_request asked = {
		.sid = (uint16_t)value_number(request, "sid", 0),
		.type = strcmp(value_text(request, "type"), "translation") ? REFERENCE_UNTRANSLATED
									   : REFERENCE_TRANSLATION,
		.address = value_number(request, "iova", 0),
		.pasid = pasid_in(request),
		.bytes = (uint32_t)value_number(request, "size", 0),
		.read = !write,
		.write = write,
		.privileged = value_number(request, "priv", 0),
	};
	struct reference_answer answer;

	fill(words, held, value_member(vector, "memory"));
	vtd_reference(&unit, &asked, &answer);
	check_vector(vector, &answer);
	check_memory(value_text(vector, "id"), vector, words, after, held);
}

Test(vtd_reference, answers_all_vectors)
{
	static uint64_t words[0x22000 / 8], after[0x22000 / 8];
	struct vector_file *file;
	struct value *vector;
	unsigned n = 0;

	cr_assert(vector_file_open("tests/vectors/vtd.yaml", &file, NULL) == 0);
	for (; vector_file_next(file, &vector, NULL) > 0; n++)
		run_vector(vector, words, after, sizeof words);
	vector_file_close(file);
	cr_expect_eq(n, 92);
}
