/*
 * The VT-d model in scalable mode under random tables: configuration of every kind, first-stage,
 * second-stage and nested translation, updates of single words, invalidations of every scope.
 * Whatever the caches hold, an answer equals the uncached translation, or the model says that
 * it is stale; and after everything was invalidated, it is equal.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "hw/vtd/vtd.h"
#include "sim/machine.h"
#include "traces/rng.h"

enum { DEVICES = 3, DIRECTORIES = 2, PASID_TABLES = 3, PASIDS = 4, KINDS = 3, STEPS = 40000 };
enum { ATS_DEVICE = 1 }; /* has a device TLB */

#define BASE (1ull << 40)
#define ROOT BASE
#define CONTEXTS (BASE + 0x1000)
#define DIRECTORY (BASE + 0x10000)
#define PASID_TABLE (BASE + 0x20000)
#define SECOND (BASE + 0x100000)
#define FIRST (BASE + 0x200000)
/*
 * First-stage tables of guests, at addresses of theirs. The page number's lowest two bits are the
 * table's level, for guests and in memory: a table that is walked at two levels at once would
 * have its accessed bits set for one by the other.
 */
#define GUEST (1ull << 41)

static const uint16_t sids[DEVICES] = { 0x0010, 0x0085, 0x0111 };
static const uint32_t pasids[PASIDS] = { 0, 1, 0x40, 0x41 };

struct fixture {
	struct rng rng;
	struct memory *memory;
	struct tables *tables;
	struct iommu *iommu;
	uint32_t devices[DEVICES];
	uint64_t event;
	/* of the request at hand */
	bool reported;
	struct checked_use use;
	uint64_t ok, stale, nested, behind;
};

static void on_used(void *self, const struct checked_use *use)
{
	struct fixture *f = self;

	f->reported = true;
	f->use = *use;
	f->behind += use->behind != NULL;
}

static uint64_t below(struct fixture *f, uint64_t n)
{
	return rng_below(&f->rng, (uint32_t)n);
}

static bool percent(struct fixture *f, unsigned chance)
{
	return below(f, 100) < chance;
}

/* ---- addresses and words ------------------------------------------------------------------- */

/* An input or intermediate address: few indices at each level, so that tables are shared. */
static uint64_t address(struct fixture *f, bool top)
{
	uint64_t index = top && percent(f, 20) ? 511 : below(f, 2);

	return index << 39 | below(f, 2) << 30 | below(f, 2) << 21 | below(f, 4) << 12;
}

static uint64_t used_index(struct fixture *f, unsigned level)
{
	return level == 3 && percent(f, 20) ? 511 : below(f, level ? 2 : 4);
}

static pa_t table_at(pa_t kind, unsigned level, uint64_t number)
{
	return kind + level * 0x10000ull + number * 0x1000;
}

/* Of a guest's table, or (any level) of memory where such tables lie. */
static uint64_t guest_table(struct fixture *f, uint64_t level)
{
	return below(f, 2) << 30 | below(f, 2) << 21 | level << 12;
}

static pa_t target(struct fixture *f, unsigned level, uint64_t index)
{
	static const pa_t data[] = { 0x2000000000, 0x2040200000, 0xc0000000 };

	if (percent(f, 50))
		return GUEST + (level ? 0 : guest_table(f, index));
	return (data[below(f, 3)] + (level ? 0 : below(f, 4) << 12)) & ~low_mask(12 + 9 * level);
}

static uint64_t second_word(struct fixture *f, unsigned level, uint64_t index)
{
	uint64_t word = percent(f, 90) ? 3 : below(f, 4);

	word |= below(f, 4) << 8 | (percent(f, 2) ? 1ull << 62 : 0);
	if (level == 0)
		return word | target(f, 0, index);
	if (level < 3 && percent(f, 25))
		return word | 1u << 7 |
		       (level == 1 ? target(f, 1, 0) | (percent(f, 60) ? 0x200000ull : 0)
				   : target(f, 2, 0));
	return word | table_at(SECOND, level - 1, below(f, KINDS));
}

static uint64_t first_flags(struct fixture *f)
{
	return (percent(f, 96) ? 1ull : 0) | (percent(f, 80) ? 2ull : 0) |
	       (percent(f, 90) ? 4ull : 0) | (percent(f, 60) ? 0x20ull : 0) |
	       (percent(f, 40) ? 0x40ull : 0) | (percent(f, 2) ? 1ull << 63 : 0);
}

static uint64_t first_word(struct fixture *f, unsigned level, uint64_t index)
{
	uint64_t word = first_flags(f);

	if (level == 0)
		return word | target(f, 0, index);
	if (level < 3 && percent(f, 25))
		return word | 1u << 7 | target(f, level, 0);
	return word | table_at(FIRST, level - 1, below(f, KINDS));
}

static uint64_t guest_word(struct fixture *f, unsigned level)
{
	uint64_t word = first_flags(f);

	if (level == 1 || level == 2)
		if (percent(f, 15))
			return word | 1ull << 7 | (address(f, false) & ~low_mask(12 + 9 * level));
	return word | (level ? guest_table(f, level - 1) | below(f, 2) << 39 : address(f, false));
}

static uint64_t pasid_word(struct fixture *f, unsigned word)
{
	uint64_t enables;

	switch (word) {
	case 0:
		return (percent(f, 95) ? 1ull : 0) | below(f, 2) << 1 | 2u << 2 |
		       (1 + (percent(f, 40) ? 2 : below(f, 4))) << 6 | below(f, 2) << 9 |
		       table_at(SECOND, 3, below(f, KINDS));
	case 1:
		return (1 + below(f, 3)) | (percent(f, 80) ? 1ull << 23 : 0) | below(f, 2) << 24;
	default:
		enables = below(f, 64) & 0x33;
		return enables | below(f, 2) << 6 |
		       (percent(f, 50) ? table_at(FIRST, 3, below(f, KINDS)) : guest_table(f, 3));
	}
}

static uint64_t context_word(struct fixture *f, unsigned word)
{
	if (word == 1)
		return pasids[below(f, PASIDS)];
	return (percent(f, 97) ? 1ull : 0) | below(f, 2) << 1 | 1ull << 2 |
	       (percent(f, 95) ? 1ull << 3 : 0) | (DIRECTORY + below(f, DIRECTORIES) * 0x1000);
}

/* ---- the tables ---------------------------------------------------------------------------- */

/* Where the unit does not snoop, most words stay in a CPU's cache for a while. */
static void store(struct fixture *f, pa_t pa, uint64_t value)
{
	bool held = f->memory->view && percent(f, 60);

	if (held)
		cr_assert(memory_view_hold(f->memory, pa, 1, value, 0, f->event + 1) == 0);
	cr_assert(tables_store(f->tables, pa, 1, value, 0, NULL) == 0);
	if (f->iommu)
		vtd_model.tables_changed(f->iommu, ++f->event, f->tables->changes,
					 f->tables->n_changes);
	if (f->memory->view && !held)
		memory_view_write_back(f->memory, pa, pa + 7);
}

static pa_t context_entry(unsigned device)
{
	return CONTEXTS + device * 0x1000 + (sids[device] & 0x7f) * 32;
}

static void write_context(struct fixture *f)
{
	unsigned word = (unsigned)below(f, 2);

	store(f, context_entry((unsigned)below(f, DEVICES)) + word * 8, context_word(f, word));
}

static void write_directory(struct fixture *f)
{
	store(f, DIRECTORY + below(f, DIRECTORIES) * 0x1000 + below(f, 2) * 8,
	      (PASID_TABLE + below(f, PASID_TABLES) * 0x1000) | (percent(f, 95) ? 1ull : 0) |
		      below(f, 2) << 1);
}

static void write_pasid(struct fixture *f)
{
	unsigned word = (unsigned)below(f, 3);

	store(f, PASID_TABLE + below(f, PASID_TABLES) * 0x1000 + below(f, 2) * 64 + word * 8,
	      pasid_word(f, word));
}

static void write_second(struct fixture *f)
{
	unsigned level = (unsigned)below(f, 4);
	uint64_t index = used_index(f, level);

	store(f, table_at(SECOND, level, below(f, KINDS)) + index * 8,
	      second_word(f, level, index));
}

static void write_first(struct fixture *f)
{
	unsigned level = (unsigned)below(f, 4);
	uint64_t index = used_index(f, level);

	store(f, table_at(FIRST, level, below(f, KINDS)) + index * 8, first_word(f, level, index));
}

static void write_guest(struct fixture *f)
{
	unsigned level = (unsigned)below(f, 4);

	store(f, GUEST + guest_table(f, level) + used_index(f, level) * 8, guest_word(f, level));
}

static void write_any(struct fixture *f)
{
	uint64_t what = below(f, 100);

	if (what < 4)
		write_context(f);
	else if (what < 8)
		write_directory(f);
	else if (what < 20)
		write_pasid(f);
	else if (what < 50)
		write_second(f);
	else if (what < 75)
		write_first(f);
	else
		write_guest(f);
}

static void build(struct fixture *f)
{
	/* root entries: bus 0 lower and upper half, bus 1 lower half */
	for (unsigned i = 0; i < DEVICES; i++)
		store(f, ROOT + i * 8, (CONTEXTS + i * 0x1000) | 1);
	for (unsigned i = 0; i < DEVICES * 2; i++)
		store(f, context_entry(i / 2) + i % 2 * 8, context_word(f, i % 2));
	for (unsigned i = 0; i < DIRECTORIES * 2; i++)
		store(f, DIRECTORY + i / 2 * 0x1000 + i % 2 * 8,
		      (PASID_TABLE + below(f, PASID_TABLES) * 0x1000) | 1);
	for (unsigned i = 0; i < PASID_TABLES * 2; i++)
		for (unsigned word = 0; word < 3; word++)
			store(f, PASID_TABLE + i / 2 * 0x1000 + i % 2 * 64 + word * 8,
			      pasid_word(f, word));
	for (unsigned i = 0; i < 1500; i++) {
		write_second(f);
		write_first(f);
		write_guest(f);
	}
}

/* ---- invalidations and requests ------------------------------------------------------------- */

static void execute(struct fixture *f, uint64_t low, uint64_t high)
{
	struct native_command command = { .words = { low, high } };
	struct inval_report report;
	struct err err;

	cr_assert(vtd_model.execute(f->iommu, ++f->event, &command, &report, &err) == 0, "%s",
		  err.text);
}

static void invalidate_all(struct fixture *f)
{
	execute(f, 1 | 1 << 4, 0);
	execute(f, 7 | 3 << 4, 0);
	execute(f, 2 | 1 << 4, 0);
	execute(f, 3 | (uint64_t)sids[ATS_DEVICE] << 32, 0x7ffffffffffff001);
	execute(f, 8 | (uint64_t)sids[ATS_DEVICE] << 16, 0x7ffffffffffff801);
}

static void invalidate(struct fixture *f)
{
	uint64_t did = (1 + below(f, 3)) << 16, pasid = (uint64_t)pasids[below(f, PASIDS)] << 32;
	uint64_t block = address(f, true) | below(f, 2) << 6 | below(f, 4) * 9;

	switch (below(f, 11)) {
	case 0:
		execute(f, 1 | 3 << 4 | (uint64_t)sids[below(f, DEVICES)] << 32, 0);
		break;
	case 1:
		execute(f, 1 | 1 << 4, 0);
		break;
	case 2:
		execute(f, 2 | 2 << 4 | did, 0);
		break;
	case 3:
		execute(f, 2 | 3 << 4 | did, (block & ~0x3full) | below(f, 19));
		break;
	case 4:
		execute(f, 6 | 2 << 4 | did | pasid, 0);
		break;
	case 5:
		execute(f, 6 | 3 << 4 | did | pasid, block);
		break;
	case 6:
		execute(f, 7 | did, 0);
		break;
	case 7:
		execute(f, 7 | 1 << 4 | did | pasid, 0);
		break;
	case 8:
		execute(f, 3 | (uint64_t)sids[ATS_DEVICE] << 32, block & ~0xfffull);
		break;
	case 9: /* a PASID's block of 8 KiB, or all of every PASID */
		execute(f, 8 | (uint64_t)sids[ATS_DEVICE] << 16 | pasid,
			percent(f, 50) ? (block & ~0xfffull) | 1u << 11 : 0x7ffffffffffff801);
		break;
	default:
		if (percent(f, 20))
			invalidate_all(f);
		break;
	}
}

static struct dma_request random_request(struct fixture *f)
{
	static const uint8_t accesses[] = { ACCESS_READ, ACCESS_WRITE, ACCESS_READ | ACCESS_WRITE,
					    ACCESS_READ | ACCESS_EXECUTE, ACCESS_READ };
	struct dma_request request = {
		.iova = address(f, true) + below(f, 512) * 8,
		.len = 8,
		.device = f->devices[below(f, DEVICES)],
		.pasid = percent(f, 50) ? NO_PASID : pasids[below(f, PASIDS)],
		.access = accesses[below(f, 5)],
		.type = percent(f, 90) ? DMA_UNTRANSLATED : DMA_TRANSLATION_REQUEST,
		.privileged = percent(f, 15)
	};

	if (bit(request.iova, 47) && percent(f, 80))
		request.iova |= ~low_mask(48); /* a canonical address */
	return request;
}

static void check(struct fixture *f, const struct dma_request *request, uint64_t step)
{
	struct dma_result truth, served;
	enum verdict expected = VERDICT_FRESH, said;

	vtd_model.truth(f->iommu, request, &truth);
	f->reported = false;
	vtd_model.translate(f->iommu, ++f->event, request, &served, 1);
	said = f->reported && f->use.verdict != VERDICT_BENIGN ? f->use.verdict : VERDICT_FRESH;
	if (dma_granted(&served) && (!dma_granted(&truth) || truth.pa != served.pa))
		expected = VERDICT_STALE_USE;
	else if (!dma_granted(&served) && dma_granted(&truth))
		expected = VERDICT_STALE_REFUSAL;
	cr_assert_eq(
		said, expected,
		"step %llu: device %u pasid 0x%x iova 0x%llx access %u type %u priv %u: %s %llx "
		"(cached %u), truth %s %llx, %s",
		(unsigned long long)step, request->device, request->pasid,
		(unsigned long long)request->iova, request->access, request->type,
		request->privileged, served.outcome == OUTCOME_OK ? "address" : "fault",
		(unsigned long long)(served.outcome == OUTCOME_OK ? served.pa : served.fault),
		served.cached, truth.outcome == OUTCOME_OK ? "address" : "fault",
		(unsigned long long)(truth.outcome == OUTCOME_OK ? truth.pa : truth.fault),
		f->reported ? "reported" : "not reported");
	if (!f->reported && request->device == f->devices[ATS_DEVICE]) {
		/* A device TLB may hold fewer rights than there are, or what tables refuse but not to
		 * this request (W with WPE=0, execute without a first stage); and a translation
		 * request stops at another of several reasons than the request behind it would. */
		unsigned more = served.perm & ~(unsigned)truth.perm;

		cr_assert(!(more & (request->privileged ? TLB_READ : TLB_READ | TLB_WRITE)),
			  "step %llu: perm %u, truth %u", (unsigned long long)step, served.perm,
			  truth.perm);
	} else if (!f->reported) {
		cr_assert_eq(served.fault, truth.fault, "step %llu: fault %x, truth %x",
			     (unsigned long long)step, served.fault, truth.fault);
		cr_assert_eq(served.perm, truth.perm, "step %llu: perm %u, truth %u",
			     (unsigned long long)step, served.perm, truth.perm);
	}
	f->ok += served.outcome == OUTCOME_OK && served.pa != NO_PA;
	f->stale += said != VERDICT_FRESH;
}

static void create(struct fixture *f, const struct iommu_observer *observer, unsigned small,
		   bool snoops)
{
	struct machine *machine;
	struct vtd_config *config;
	struct device_tlb tlb;

	cr_assert(memory_create(1ull << 46, &f->memory, NULL) == 0);
	cr_assert(tables_create(f->memory, &f->tables, NULL) == 0);
	build(f);
	cr_assert(machine_create("vtd", &machine, NULL) == 0);
	config = machine->model_config;
	config->fault_records = 1;
	config->coherency = snoops;
	if (small) {
		config->iotlb_sets = config->iotlb_ways = 2;
		config->walk_entries = 4;
		config->context_entries = 2;
		config->pasid_entries = 3;
	}
	if (!snoops)
		cr_assert(memory_view_create(f->memory, NULL) == 0);
	cr_assert(vtd_model.create(config, 1, f->tables, observer, &f->iommu, NULL) == 0);
	tlb = machine->device.tlb;
	machine_destroy(machine);
	for (unsigned i = 0; i < DEVICES; i++)
		cr_assert(vtd_model.add_device(f->iommu, sids[i], i == ATS_DEVICE ? &tlb : NULL,
					       &f->devices[i], NULL) == 0);
	vtd_model.reg_write(f->iommu, 0, 0x20, ROOT | 1 << 10, 8);
	vtd_model.reg_write(f->iommu, 0, 0x18, 1u << 30, 4);
	vtd_model.reg_write(f->iommu, 0, 0x18, 1u << 31, 4);
}

static void run(uint64_t seed, bool snoops)
{
	struct fixture f = { 0 };
	struct iommu_observer observer = iommu_observer_silent;

	observer.self = &f;
	observer.used = on_used;
	f.rng = rng_seed(seed);
	create(&f, &observer, seed & 1, snoops);
	for (uint64_t step = 0; step < STEPS; step++) {
		uint64_t what = below(&f, 100);

		if (what < 12) {
			write_any(&f);
		} else if (what < 13 && !snoops) {
			memory_view_write_back(f.memory, SECOND, SECOND + below(&f, 1u << 20));
		} else if (what < 17) {
			invalidate(&f);
		} else {
			struct dma_request request = random_request(&f);

			check(&f, &request, step);
		}
	}
	cr_expect_gt(f.ok, STEPS / 16, "seed %llu: too few requests succeed: %llu",
		     (unsigned long long)seed, (unsigned long long)f.ok);
	cr_expect_gt(f.stale, 20u, "seed %llu: too few are stale: %llu", (unsigned long long)seed,
		     (unsigned long long)f.stale);
	cr_expect_eq(f.behind > 100, !snoops, "seed %llu: %llu read words behind",
		     (unsigned long long)seed, (unsigned long long)f.behind);
	vtd_model.destroy(f.iommu);
	tables_destroy(f.tables);
	memory_destroy(f.memory);
}

ParameterizedTestParameters(vtd_random, caches_equal_truth_or_say_so)
{
	static uint64_t seeds[] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	return cr_make_param_array(uint64_t, seeds, sizeof seeds / sizeof seeds[0]);
}

ParameterizedTest(uint64_t *seed, vtd_random, caches_equal_truth_or_say_so)
{
	run(*seed, true);
}

ParameterizedTestParameters(vtd_random, walks_that_do_not_snoop_say_where_memory_is_behind)
{
	static uint64_t seeds[] = { 11, 12, 13, 14 };

	return cr_make_param_array(uint64_t, seeds, sizeof seeds / sizeof seeds[0]);
}

ParameterizedTest(uint64_t *seed, vtd_random, walks_that_do_not_snoop_say_where_memory_is_behind)
{
	run(*seed, false);
}
