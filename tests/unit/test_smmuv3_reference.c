/*
 * The SMMUv3 model against the slow reference translator: random structures, requests and updates, with
 * warm caches and everything invalidated after each change, so that both must agree on each field.
 *
 * IOMMUSIM_REFERENCE_REQUESTS sets how many requests, IOMMUSIM_REFERENCE_SEED where to begin.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/vector_tree.h"
#include "tests/reference/smmuv3_world.h"

enum { BATCH = 24, REQUESTS_PER_WORLD = 3000, REQUESTS_BETWEEN_UPDATES = 40 };

/* ---- requests ----------------------------------------------------------------------------------- */

static void random_request(struct smmu_world *world, struct dma_request *request,
			   struct smmu_reference_request *same)
{
	struct rng *rng = &world->rng;
	unsigned device =
		rng_below(rng, rng_percent(rng, 92) ? SMMU_WORLD_STREAMS : SMMU_WORLD_SIDS);
	uint64_t *recent = &world->recent[rng_below(rng, SMMU_WORLD_RECENT)];
	unsigned access = rng_below(rng, 10);

	if (!*recent || rng_percent(rng, 30))
		*recent = smmu_world_address(world);
	*same = (struct smmu_reference_request){ .sid = smmu_world_sids[device],
						 .ssv = rng_percent(rng, 10),
						 .address = *recent ^ rng_below(rng, 4096),
						 .write = access<4, .instruction = access> 8,
						 .privileged = rng_percent(rng, 25) };
	if (same->ssv)
		same->ssid = rng_percent(rng, 90) ? rng_below(rng, 6) : rng_below(rng, 1 << 20);
	*request = (struct dma_request){
		.iova = same->address,
		.len = 1,
		.device = world->handles[device],
		.pasid = same->ssv ? same->ssid : NO_PASID,
		.access = (uint8_t)(same->write		? ACCESS_WRITE
				    : same->instruction ? ACCESS_READ | ACCESS_EXECUTE
							: ACCESS_READ),
		.privileged = same->privileged,
	};
}

/* ---- comparison --------------------------------------------------------------------------------- */

static bool data_agrees(const struct smmu_reference_answer *want, const struct dma_result *found)
{
	unsigned perm = (want->read ? (unsigned)TLB_READ : 0) |
			(want->write ? (unsigned)TLB_WRITE : 0) |
			(want->execute ? (unsigned)TLB_EXECUTE : 0);
	uint64_t bytes = 1ull << found->page_lg2;

	if (found->outcome != OUTCOME_OK || found->sees != SEES_OK || found->pa != want->pa ||
	    found->perm != perm)
		return false;
	/* a copy of a set has its size; one beyond 16 GiB is kept in pieces */
	return bytes == want->page_bytes ||
	       (found->cached && (bytes == want->span_bytes || bytes == 1ull << 34));
}

/* truth: the uncached walk, which has no response. */
static void compare(struct smmu_world *world, const char *which, bool truth,
		    const struct smmu_reference_request *request,
		    const struct smmu_reference_answer *want, const struct dma_result *found)
{
	static const uint8_t sees[] = { SEES_OK, SEES_ABORT, SEES_ZERO, SEES_NOTHING };
	unsigned event = want->event ? want->event : (unsigned)SMMUV3_SILENT_ABORT;
	bool same = want->response == REFERENCE_DATA
			    ? data_agrees(want, found)
			    : found->outcome == OUTCOME_FAULT && found->fault == event &&
				      (truth || found->sees == sees[want->response]);

	cr_assert(same,
		  "seed %" PRIu64 " event %" PRIu64 ", %s: stream 0x%x ssid %d address 0x%" PRIx64
		  " %s%s%s: the reference says response %d event 0x%x pa 0x%" PRIx64
		  " page 0x%" PRIx64 " span 0x%" PRIx64
		  " %s%s%s, the model outcome %u 0x%x sees %u "
		  "pa 0x%" PRIx64 " 2^%u perm %u cached %u",
		  world->seed, world->event, which, request->sid,
		  request->ssv ? (int)request->ssid : -1, request->address,
		  request->write ? "write" : "read", request->instruction ? " instruction" : "",
		  request->privileged ? " privileged" : "", (int)want->response, want->event,
		  want->pa, want->page_bytes, want->span_bytes, want->read ? "r" : "",
		  want->write ? "w" : "", want->execute ? "x" : "", found->outcome, found->fault,
		  found->sees, found->pa, found->page_lg2, found->perm, found->cached);
}

static uint64_t reg(const struct smmu_world *world, uint64_t offset)
{
	uint64_t value = 0;

	smmuv3_model.reg_read(world->iommu, offset, 4, &value);
	return value;
}

static void compare_record(struct smmu_world *world, const struct smmu_reference_answer *want,
			   uint64_t prod_before)
{
	uint64_t found[FAULT_RECORD_WORDS], stag = 0;
	bool recorded = reg(world, SMMU_EVENTQ_PROD) != prod_before;

	cr_assert_eq(recorded, want->recorded, "seed %" PRIu64 " event %" PRIu64 ": recorded",
		     world->seed, world->event);
	if (!recorded)
		return;
	cr_assert_eq(smmuv3_vectors.fault_record(world->iommu, found), 4);
	if (want->response == REFERENCE_STALL)
		stag = 0xffff;
	for (unsigned i = 0; i < 4; i++)
		cr_assert_eq(found[i] & ~(i == 1 ? stag : 0), want->record[i],
			     "seed %" PRIu64 " event %" PRIu64
			     ": word %u of the record is 0x%" PRIx64 ", expected 0x%" PRIx64,
			     world->seed, world->event, i, found[i], want->record[i]);
}

static void note(struct smmu_world *world, const struct smmu_reference_answer *want,
		 const struct dma_result *found)
{
	world->done++;
	world->translated += want->response == REFERENCE_DATA;
	world->cached += found->cached;
	world->stalled += want->response == REFERENCE_STALL;
	world->razwi += want->response == REFERENCE_RAZWI;
	world->silent += want->response == REFERENCE_ABORT && !want->recorded;
	world->nested += want->event && (want->record[1] >> 39 & 1);
	world->events[want->event]++;
}

/* The driver's side: the queue is emptied, what stalled is ended. */
static void clean_up(struct smmu_world *world)
{
	for (unsigned i = 0; i < SMMU_WORLD_SIDS && world->config.stall_model != 1; i++) {
		struct smmuv3_command command = { .opcode = CMD_STALL_TERM,
						  .sid = smmu_world_sids[i] };
		struct native_command native;
		struct inval_report report;

		cr_assert(smmuv3_pack(&command, &native));
		cr_assert(smmuv3_model.execute(world->iommu, world->event, &native, &report,
					       NULL) == 0);
	}
	smmuv3_model.acknowledge_faults(world->iommu, world->event);
	world->iommu->interrupt = false;
}

/* One request with its record and its uncached walk, or a run of them through the loop. */
static unsigned request_some(struct smmu_world *world)
{
	unsigned n = rng_percent(&world->rng, 40) ? 1 : 2 + rng_below(&world->rng, BATCH - 1);
	uint64_t prod = reg(world, SMMU_EVENTQ_PROD);
	struct smmu_reference_request same[BATCH];
	struct smmu_reference_answer want;
	struct dma_request requests[BATCH];
	struct dma_result results[BATCH], truth;

	for (unsigned i = 0; i < n; i++)
		random_request(world, &requests[i], &same[i]);
	for (size_t done = 0; done < n;) /* it stops where an interrupt is raised */
		done += smmuv3_model.translate(world->iommu, world->event + 1 + done,
					       requests + done, results + done, n - done);
	world->event += n;
	for (unsigned i = 0; i < n; i++) {
		smmuv3_reference(&world->reference, &same[i], &want);
		compare(world, "translate", false, &same[i], &want, &results[i]);
		smmuv3_model.truth(world->iommu, &requests[i], &truth);
		compare(world, "truth", true, &same[i], &want, &truth);
		note(world, &want, &results[i]);
	}
	if (n == 1)
		compare_record(world, &want, prod);
	clean_up(world);
	cr_assert_eq(world->stale, 0, "seed %" PRIu64 " event %" PRIu64 ": a stale copy was used",
		     world->seed, world->event);
	return n;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void add_counts(struct smmu_world *sum, const struct smmu_world *world)
{
	sum->done += world->done;
	sum->translated += world->translated;
	sum->cached += world->cached;
	sum->nested += world->nested;
	sum->stalled += world->stalled;
	sum->razwi += world->razwi;
	sum->silent += world->silent;
	sum->written += world->written;
	for (unsigned i = 0; i < SMMU_WORLD_EVENTS; i++)
		sum->events[i] += world->events[i];
}

static void print_counts(const struct smmu_world *sum)
{
	fprintf(stderr,
		"%" PRIu64 " requests: %" PRIu64 " translated, %" PRIu64 " from the cache, %" PRIu64
		" stalled, %" PRIu64 " RAZ/WI, %" PRIu64 " silent, %" PRIu64 " of stage 2, %" PRIu64
		" flag updates, events:",
		sum->done, sum->translated, sum->cached, sum->stalled, sum->razwi, sum->silent,
		sum->nested, sum->written);
	for (unsigned i = 1; i < SMMU_WORLD_EVENTS; i++)
		if (sum->events[i])
			fprintf(stderr, " %x:%" PRIu64, i, sum->events[i]);
	fprintf(stderr, "\n");
}

Test(smmuv3_reference, agrees_with_the_model_on_every_field_of_random_requests, .timeout = 0)
{
	static const unsigned expected[] = { C_BAD_STREAMID,	F_STE_FETCH,	   C_BAD_STE,
					     F_STREAM_DISABLED, C_BAD_SUBSTREAMID, F_CD_FETCH,
					     C_BAD_CD,		F_WALK_EABT,	   F_TRANSLATION,
					     F_ADDR_SIZE,	F_ACCESS,	   F_PERMISSION };
	uint64_t requests = from_environment("IOMMUSIM_REFERENCE_REQUESTS", 500000);
	uint64_t seed = from_environment("IOMMUSIM_REFERENCE_SEED", 1);
	struct smmu_world *world = malloc(sizeof *world), *sum = calloc(1, sizeof *sum);

	cr_assert(world && sum);
	while (sum->done < requests) {
		smmu_world_create(world, seed++);
		for (unsigned i = 0; i < REQUESTS_PER_WORLD;) {
			for (unsigned first = i; i < first + REQUESTS_BETWEEN_UPDATES;)
				i += request_some(world);
			smmu_world_update(world);
		}
		cr_assert(smmu_world_agrees(world), "seed %" PRIu64 ": memory differs",
			  world->seed);
		add_counts(sum, world);
		smmu_world_destroy(world);
	}
	if (getenv("IOMMUSIM_REFERENCE_REQUESTS"))
		print_counts(sum);
	/* The worlds are such that nothing is left untested. */
	cr_expect_gt(sum->translated, sum->done / 20);
	cr_expect_gt(sum->cached, sum->done / 100);
	cr_expect(sum->stalled && sum->razwi && sum->silent && sum->nested && sum->written);
	for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
		cr_expect_gt(sum->events[expected[i]], 0, "event %x never came up", expected[i]);
	free(world);
	free(sum);
}

/* ---- the reference itself against the test vectors ------------------------------------------- */

static bool vector_load(void *memory, uint64_t address, uint64_t *word)
{
	const struct value *vector = memory, *errors = value_member(vector, "memory_errors");
	uint64_t at, value;

	for (const struct value *range = errors ? errors->first : NULL; range;
	     range = range->next) {
		uint64_t first = value_number(range, "addr", 0);

		if (address >= first && address - first < value_number(range, "size", 0))
			return false;
	}
	*word = 0;
	for (const struct value *item = value_member(vector, "memory")->first; item;
	     item = item->next)
		if (text_number(item->key, &at) && at == address && text_number(item->text, &value))
			*word = value;
	return true;
}

static const struct value *stored_in;

static void vector_store(void *memory, uint64_t address, uint64_t word)
{
	const struct value *after = value_member(value_member(memory, "expect"), "memory_after");
	uint64_t at, value;

	for (const struct value *item = after ? after->first : NULL; item; item = item->next)
		if (text_number(item->key, &at) && at == address &&
		    text_number(item->text, &value) && value == word)
			return;
	cr_expect(false, "%s: 0x%" PRIx64 " is stored at 0x%" PRIx64, value_text(stored_in, "id"),
		  word, address);
}

static struct smmu_reference_unit unit_of(struct value *vector)
{
	const struct value *config = value_member(vector, "config");
	const struct value *idr = value_member(config, "idr");

	return (struct smmu_reference_unit){
		.memory = vector,
		.load = vector_load,
		.store = vector_store,
		.oas = (unsigned)value_number(idr, "OAS", 48),
		.sidsize = (unsigned)value_number(idr, "SIDSIZE", 16),
		.ssidsize = (unsigned)value_number(idr, "SSIDSIZE", 8),
		.httu = 2,
		.s1p = true,
		.s2p = true,
		.hyp = true,
		.gran4k = true,
		.gran16k = true,
		.gran64k = true,
		.asid16 = true,
		.vmid16 = true,
		.cd2l = true,
		.st_level = true,
		.xnx = true,
		.had = true,
		.ats = true,
		.attr_perms_ovr = true,
		.enabled = value_number(config, "SMMUEN", 1),
		.recinvsid = value_number(config, "RECINVSID", 0),
		.gbpa_abort = value_number(config, "GBPA_ABORT", 0),
		.strtab_base = value_number(config, "STRTAB_BASE", 0),
		.log2size = (unsigned)value_number(config, "LOG2SIZE", 0),
		.split = (unsigned)value_number(config, "SPLIT", 0),
		.format = (unsigned)value_number(config, "FMT", 0),
	};
}

static void check_vector(const struct value *vector, const struct smmu_reference_answer *answer)
{
	static const char *const devices[] = { "ok", "abort", "razwi", "none" };
	const struct value *expect = value_member(vector, "expect");
	const struct value *record = value_member(expect, "record");
	const struct value *mask = value_member(expect, "record_mask");
	const char *result = value_text(expect, "result"), *id = value_text(vector, "id");
	bool ok = !strcmp(result, "ok") || !strcmp(result, "bypass");

	cr_expect_eq(ok, answer->response == REFERENCE_DATA, "%s: result", id);
	cr_expect_eq(!strcmp(result, "stalled"), answer->response == REFERENCE_STALL, "%s", id);
	if (value_member(expect, "device"))
		cr_expect_str_eq(value_text(expect, "device"), devices[answer->response], "%s", id);
	cr_expect_eq(value_number(expect, "pa", answer->pa), answer->pa, "%s: pa", id);
	cr_expect_eq(value_number(expect, "page_size", answer->page_bytes), answer->page_bytes,
		     "%s: page_size", id);
	cr_expect_eq(value_number(expect, "s1_contig_span", answer->span_bytes), answer->span_bytes,
		     "%s: span", id);
	if (!ok)
		cr_expect_eq(strcmp(value_text(expect, "fault_name"), "none") != 0,
			     answer->recorded, "%s: recorded", id);
	for (unsigned i = 0; record && i < 4; i++) {
		const struct value *word = record->first, *bits = mask->first;
		uint64_t value = 0, care = 0;

		for (unsigned n = i; n; n--, word = word->next, bits = bits->next)
			;
		cr_assert(text_number(word->text, &value) && text_number(bits->text, &care));
		cr_expect_eq(value & care, answer->record[i] & care, "%s: word %u of the record",
			     id, i);
	}
}

Test(smmuv3_reference, answers_every_vector_of_a_single_access)
{
	struct vector_file *file;
	struct value *vector;
	unsigned n = 0;

	cr_assert(vector_file_open("tests/vectors/smmuv3.yaml", &file, NULL) == 0);
	while (vector_file_next(file, &vector, NULL) > 0) {
		const struct value *request = value_member(vector, "request");
		struct smmu_reference_answer answer;
		struct smmu_reference_unit unit;

		if (!request)
			continue;
		stored_in = vector;
		unit = unit_of(vector);
		smmuv3_reference(&unit,
				 &(struct smmu_reference_request){
					 .sid = (uint32_t)value_number(request, "sid", 0),
					 .ssid = (uint32_t)value_number(request, "pasid", 0),
					 .ssv = value_member(request, "pasid") != NULL,
					 .address = value_number(request, "iova", 0),
					 .write = !strcmp(value_text(request, "access"), "write"),
					 .instruction = value_number(request, "exec", 0),
					 .privileged = value_number(request, "priv", 0) },
				 &answer);
		check_vector(vector, &answer);
		n++;
	}
	vector_file_close(file);
	cr_expect_eq(n, 93);
}
