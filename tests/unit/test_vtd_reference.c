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

static void random_request(struct world *world, struct dma_request *request,
			   struct reference_request *same)
{
	struct rng *rng = &world->rng;
	unsigned device = rng_percent(rng, 90) ? rng_below(rng, 8) : rng_below(rng, WORLD_DEVICES);

	*same = (struct reference_request){ .sid = world_sids[device],
					    .address = random_address(world),
					    .bytes = 1 };
	if (rng_percent(rng, 2)) /* blocked; translation requests are left to the vectors */
		same->type = REFERENCE_TRANSLATED;
	same->write = same->type == REFERENCE_UNTRANSLATED && rng_percent(rng, 50);
	same->read = !same->write;
	if (same->read && rng_percent(rng, 10))
		same->bytes = 0;
	*request = (struct dma_request){ .iova = same->address,
					 .len = same->bytes,
					 .device = world->handles[device],
					 .pasid = NO_PASID,
					 .access = same->write ? ACCESS_WRITE : ACCESS_READ,
					 .type = (uint8_t)same->type };
}

/* ---- comparison ------------------------------------------------------------------------- */

static void compare(struct world *world, const char *which, const struct reference_request *request,
		    const struct reference_answer *want, const struct dma_result *found)
{
	static const uint8_t outcomes[] = { OUTCOME_OK, OUTCOME_FAULT, OUTCOME_INTERRUPT,
					    OUTCOME_BLOCKED };
	static const uint8_t sees[] = { SEES_OK, SEES_UNSUPPORTED, SEES_DROPPED };
	unsigned perm =
		(want->read ? (unsigned)TLB_READ : 0) | (want->write ? (unsigned)TLB_WRITE : 0);
	bool same =
		found->outcome == outcomes[want->result] && found->sees == sees[want->completion];

	if (want->result == REFERENCE_OK)
		same &= found->pa == want->pa && 1ull << found->page_lg2 == want->page_bytes &&
			found->perm == perm && !(found->flags & TLB_SNOOP) == !want->snoop;
	if (want->result == REFERENCE_FAULT)
		same &= found->fault == want->fault;
	cr_assert(same,
		  "seed %" PRIu64 " event %" PRIu64 ", %s: sid %04x address 0x%" PRIx64
		  " %s, type %d, %u bytes: the reference says result %d fault %x pa 0x%" PRIx64
		  " size 0x%" PRIx64 " perm %u snoop %d sees %d, the model %u %x 0x%" PRIx64
		  " 2^%u %u %u %u",
		  world->seed, world->event, which, request->sid, request->address,
		  request->write ? "write" : "read", request->type, request->bytes, want->result,
		  want->fault, want->pa, want->page_bytes, perm, want->snoop, want->completion,
		  found->outcome, found->fault, found->pa, found->page_lg2, found->perm,
		  found->flags, found->sees);
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

/* One request with its record and its uncached walk, or a run of them through the fast path. */
static unsigned request_some(struct world *world)
{
	unsigned n = rng_percent(&world->rng, 50) ? 1 : 2 + rng_below(&world->rng, BATCH - 1);
	struct dma_request requests[BATCH];
	struct reference_request same[BATCH];
	struct dma_result results[BATCH], truth;
	struct reference_answer want;

	for (unsigned i = 0; i < n; i++)
		random_request(world, &requests[i], &same[i]);
	for (size_t done = 0; done < n;) /* it stops where an interrupt is raised */
		done += vtd_model.translate(world->iommu, world->event + 1 + done, requests + done,
					    results + done, n - done);
	world->event += n;
	for (unsigned i = 0; i < n; i++) {
		vtd_reference(&world->reference, &same[i], &want);
		compare(world, "translate", &same[i], &want, &results[i]);
		vtd_model.truth(world->iommu, &requests[i], &truth);
		compare(world, "truth", &same[i], &want, &truth);
		world->outcomes[want.result]++;
		world->faults[want.fault & 15]++;
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

Test(vtd_reference, agrees_with_the_model_on_every_field_of_random_requests, .timeout = 0)
{
	uint64_t requests = from_environment("IOMMUSIM_REFERENCE_REQUESTS", 500000);
	uint64_t seed = from_environment("IOMMUSIM_REFERENCE_SEED", 1);
	uint64_t outcomes[4] = { 0 }, faults[16] = { 0 }, cached = 0, done = 0;
	struct world *world = malloc(sizeof *world);

	cr_assert(world != NULL);
	while (done < requests) {
		world_create(world, seed++);
		for (unsigned i = 0; i < REQUESTS_PER_WORLD;) {
			for (unsigned first = i; i < first + REQUESTS_BETWEEN_UPDATES;)
				i += request_some(world);
			world_update(world);
		}
		for (unsigned i = 0; i < 4; i++)
			outcomes[i] += world->outcomes[i];
		for (unsigned i = 0; i < 16; i++)
			faults[i] += world->faults[i];
		cached += world->cached;
		done += REQUESTS_PER_WORLD;
		world_destroy(world);
	}
	free(world);
	if (getenv("IOMMUSIM_REFERENCE_REQUESTS")) {
		fprintf(stderr,
			"%" PRIu64 " requests: %" PRIu64 " translated, %" PRIu64
			" from the cache, %" PRIu64 " faults:",
			done, outcomes[0], cached, outcomes[1]);
		for (unsigned i = 1; i < 16; i++)
			fprintf(stderr, " %x:%" PRIu64, i, faults[i]);
		fprintf(stderr, "\n");
	}
	/* The worlds are such that nothing is left untested. */
	cr_expect_gt(outcomes[REFERENCE_OK], done / 10);
	cr_expect_gt(cached, done / 50);
	for (unsigned reason = 1; reason <= 14; reason++)
		cr_expect_gt(faults[reason], 0, "reason %x never came up", reason);
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
	static const char *const completions[] = { "ok", "ur", "dropped" };
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

static void run_vector(const struct value *vector, uint64_t *words, uint64_t held)
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
		.bytes = (uint32_t)value_number(request, "size", 0),
		.read = !write,
		.write = write,
	};
	struct reference_answer answer;

	fill(words, held, value_member(vector, "memory"));
	vtd_reference(&unit, &asked, &answer);
	check_vector(vector, &answer);
}

Test(vtd_reference, answers_the_vectors_of_legacy_mode_without_device_tlbs)
{
	static uint64_t words[0x20000 / 8];
	struct vector_file *file;
	struct value *vector;
	unsigned n = 0;

	cr_assert(vector_file_open("tests/vectors/vtd.yaml", &file, NULL) == 0);
	while (vector_file_next(file, &vector, NULL) > 0) {
		const char *id = value_text(vector, "id");

		if (strncmp(id, "vtd-L", 5) != 0 || !strcmp(id, "vtd-L44") ||
		    !strcmp(id, "vtd-L45"))
			continue;
		run_vector(vector, words, sizeof words);
		n++;
	}
	vector_file_close(file);
	cr_expect_eq(n, 45);
}
