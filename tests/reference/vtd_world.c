/* Random VT-d tables; the contract is in vtd_world.h. */
#include "tests/reference/vtd_world_private.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/machine.h"

/* Pages: the root table, context tables of buses 0 and 1, a spare one, paging tables. */
enum { CONTEXTS = 1, SPARE = 3, TABLES = 4 };

const uint16_t world_sids[WORLD_DEVICES] = { 0x0000, 0x0001, 0x0008, 0x00ff, 0x0100, 0x0110,
					     0x0180, 0x01ff, 0x0200, 0x0233, 0x0300, 0xff00 };
const unsigned world_indices[WORLD_INDICES] = { 0, 1, 3, 257, 503, 511 };

/* ---- what the model tells --------------------------------------------------------------- */

static void on_used(void *self, const struct checked_use *use)
{
	struct world *world = self;

	world->stale += use->verdict == VERDICT_STALE_USE || use->verdict == VERDICT_STALE_REFUSAL;
}

/* ---- random tables ---------------------------------------------------------------------- */

unsigned world_index(struct world *world)
{
	return world_indices[rng_below(&world->rng, WORLD_INDICES)];
}

/* Levels as the manual counts them, 1 holds the smallest pages; the level a page is meant for. */
static unsigned level_of_page(unsigned page)
{
	return 1 + page % 5;
}

static unsigned page_of_level(struct world *world, unsigned level)
{
	unsigned page;

	do
		page = TABLES + rng_below(&world->rng, WORLD_PAGES - TABLES);
	while (level_of_page(page) != level && !(world->tangled && rng_percent(&world->rng, 1)));
	return page;
}

/* Not of an address unless tables may be tangled. */
uint64_t world_bit(struct world *world)
{
	uint64_t bit;

	do
		bit = 1ull << rng_below(&world->rng, 64);
	while (!world->tangled && bit >= 4096 && bit < 1ull << world->reference.haw);
	return bit;
}

/* An entry of a second-stage table of this level, which may point to `table`: mostly well formed. */
uint64_t world_second_entry(struct world *world, unsigned level, uint64_t table)
{
	struct rng *rng = &world->rng;
	unsigned shift = 12 + 9 * (level - 1);
	uint64_t entry = 0;

	if (rng_percent(rng, 8))
		return rng_percent(rng, 30) ? rng_next(rng) & ~3ull : 0;
	entry |= rng_percent(rng, 95) ? 1 : 0;
	entry |= rng_percent(rng, 90) ? 2 : 0;
	if (level == 1 || (level <= 3 && rng_percent(rng, 25))) {
		entry |= rng_next(rng) & ((1ull << world->reference.haw) - 1) &
			 ~((1ull << shift) - 1);
		entry |= level > 1 ? 1u << 7 : 0;
		if (level > 1 && rng_percent(rng, 4)) /* reserved below the page */
			entry |= 1ull << (12 + rng_below(rng, shift - 12));
		entry |= rng_percent(rng, 10) ? 1u << 11 : 0;
		if (level == 1 && rng_percent(rng, 3))
			entry = (entry & 0xfff) | 0xfee00000 | (rng_next(rng) & 0xff000);
	} else if (rng_percent(rng, 2)) {
		entry |= world->reference.limit + ((uint64_t)rng_below(rng, 16) << 12);
	} else {
		entry |= table;
	}
	if (rng_percent(rng, 30)) /* ignored: X, EMT, IPAT, A, D, [10], [61:52], [63] */
		entry |= rng_next(rng) & 0xbff000000000077cull;
	if (rng_percent(rng, 2))
		entry ^= world_bit(world);
	/* superpages over the interrupt range: a hit on one must be refused as the walk is */
	if ((level == 2 || level == 3) && rng_percent(rng, 2))
		entry = (entry & ~(((1ull << 36) - 1) & ~((1ull << shift) - 1))) |
			(0xfee00000 & ~((1ull << shift) - 1));
	return entry;
}

static uint64_t random_entry(struct world *world, unsigned level)
{
	unsigned page = page_of_level(world, level == 1 ? 1 : level - 1);

	return world_second_entry(world, level, (uint64_t)page << 12);
}

static uint64_t random_context(struct world *world, uint64_t *high, uint16_t did)
{
	struct rng *rng = &world->rng;
	unsigned width;
	uint64_t low = rng_percent(rng, 96) ? 1 : 0;

	do
		width = 1 + rng_below(rng, 3);
	while (!(world->reference.cap >> (8 + width) & 1) && !rng_percent(rng, 2));

	low |= rng_percent(rng, 15) ? 2 : 0;
	low |= rng_percent(rng, 80) ? 0 : (uint64_t)rng_below(rng, 4) << 2;
	low |= (uint64_t)page_of_level(world, width + 2) << 12;
	*high = width | (uint64_t)did << 8 | (rng_next(rng) & 0x78);
	if (rng_percent(rng, 3))
		low = (low & 0xfff) | world->reference.limit;
	if (rng_percent(rng, 3))
		low ^= world_bit(world) & ~2ull;
	/* The domain id stays the device's own, the width that of the table. */
	if (rng_percent(rng, 3))
		*high ^= world_bit(world) & ~(world->tangled ? 0xffff00ull : 0xffff07ull);
	return low;
}

/* ---- the same to both ------------------------------------------------------------------- */

void world_store(struct world *world, uint64_t pa, uint64_t value)
{
	struct err err = { 0 };

	world->words[pa / 8] = value;
	world->event++;
	cr_assert(tables_store(world->tables, pa, 1, value, 0, &err) == 0, "seed %" PRIu64 ": %s",
		  world->seed, err.text);
	if (world->tables->n_changes)
		vtd_model.tables_changed(world->iommu, world->event, world->tables->changes,
					 world->tables->n_changes);
}

void world_execute(struct world *world, uint64_t low, uint64_t high)
{
	struct native_command command = { .words = { low, high } };
	struct inval_report report;
	struct err err = { 0 };

	cr_assert(vtd_model.execute(world->iommu, ++world->event, &command, &report, &err) == 0,
		  "seed %" PRIu64 ": %s", world->seed, err.text);
}

void world_flush_everything(struct world *world)
{
	world_execute(world, 0x11, 0); /* contexts, global */
	if (world->scalable)
		world_execute(world, 0x37, 0); /* PASID cache, global */
	world_execute(world, 0x12, 0);	       /* IOTLB, global */
}

static uint16_t did_of(unsigned device)
{
	return (uint16_t)(device + 1);
}

static void write_context(struct world *world, unsigned device, bool in_use)
{
	uint64_t at = (uint64_t)(CONTEXTS + (world_sids[device] >> 8)) * 4096 +
		      (world_sids[device] & 0xff) * 16u;
	uint64_t high, low = random_context(world, &high, did_of(device));

	if (world_sids[device] >> 8 > 1)
		return;		   /* its bus has no context table */
	world_store(world, at, 0); /* never an old width with a new table */
	world_store(world, at + 8, high);
	world_store(world, at, low);
	if (!in_use)
		return;
	if (world->tangled) { /* it may be a page table, too */
		world_flush_everything(world);
		return;
	}
	world_execute(world,
		      0x31 | (uint64_t)did_of(device) << 16 | (uint64_t)world_sids[device] << 32,
		      0);
	world_execute(world, 0x22 | (uint64_t)did_of(device) << 16, 0);
}

/* Invalidates what the table graph says that the last store changed, for every domain. */
static void flush_changes(struct world *world, const struct table_change *changes, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		for (unsigned device = 0; device < WORLD_DEVICES; device++) {
			struct invalidation what = { .what = INVAL_RANGE,
						     .pasid = NO_PASID,
						     .tag = did_of(device),
						     .first = changes[i].first,
						     .last = changes[i].last };
			struct native_command command;
			struct invalidation covers;

			vtd_model.encode(world->iommu, &what, &command, &covers);
			world_execute(world, command.words[0], command.words[1]);
		}
	}
}

/*
 * What was not present is not cached, so the graph reports no change and nothing is flushed. The
 * graph knows a page as a table of one level; where pages serve as several, it cannot tell all
 * that a change reaches.
 */
static void write_entry(struct world *world)
{
	unsigned page = TABLES + rng_below(&world->rng, WORLD_PAGES - TABLES);
	uint64_t pa = page * 4096ull + world_index(world) * 8;
	struct table_change *changes;
	uint32_t n;

	world_store(world, pa, random_entry(world, level_of_page(page)));
	n = world->tables->n_changes;
	if (!n && !world->tangled)
		return;
	if (world->tangled || n > 64 || rng_percent(&world->rng, 30)) {
		world_flush_everything(world);
		return;
	}
	changes = malloc(n * sizeof *changes);
	cr_assert(changes != NULL);
	memcpy(changes, world->tables->changes, n * sizeof *changes);
	flush_changes(world, changes, n);
	free(changes);
}

/* RTADDR to what may be no memory, latched by SRTP, translation still on. */
void world_set_root(struct world *world, uint64_t root)
{
	world->reference.rtaddr = root;
	vtd_model.reg_write(world->iommu, ++world->event, 0x20, root, 8);
	vtd_model.reg_write(world->iommu, ++world->event, 0x18, 3u << 30, 4);
	world_flush_everything(world);
}

static void write_root(struct world *world)
{
	unsigned bus = rng_below(&world->rng, 2);
	uint64_t entry = (uint64_t)(CONTEXTS + bus) << 12 | 1;

	if (rng_percent(&world->rng, 12))
		entry ^= world_bit(world) & ~0x7f000ull; /* stays where its context table is */
	world_store(world, bus * 16, entry);
	world_store(world, bus * 16 + 8, rng_percent(&world->rng, 3) ? world_bit(world) : 0);
	world_flush_everything(world);
}

void world_update(struct world *world)
{
	unsigned what = rng_below(&world->rng, 100);

	if (world->scalable)
		scalable_update(world);
	else if (world->reference.rtaddr)
		world_set_root(world, 0);
	else if (what < 1)
		world_set_root(world, world->reference.limit);
	else if (what < 3)
		write_root(world);
	else if (what < 25)
		write_context(world, rng_below(&world->rng, WORLD_DEVICES), true);
	else
		write_entry(world);
}

/* ---- a world ---------------------------------------------------------------------------- */

static void configure(struct world *world, void *config)
{
	struct rng *rng = &world->rng;
	struct reference_unit *unit = &world->reference;
	/* ND 6, PSI, NFR 7, MAMV 18, FRO 22h, and what varies. */
	uint64_t cap = 6 | 1ull << 39 | 7ull << 40 | 18ull << 48 | 0x22ull << 24;
	struct named_value values[3] = { { .name = "haw", .number = true },
					 { .name = "cap", .number = true },
					 { .name = "ecap", .number = true } };
	struct err err = { 0 };

	cap |= (uint64_t)(1 + rng_below(rng, 7)) << 9; /* SAGAW */
	cap |= (uint64_t)(37 + rng_below(rng, 20)) << 16;
	cap |= (uint64_t)rng_below(rng, 2) << 22;
	cap |= (uint64_t)(rng_percent(rng, 60) ? 3 : rng_below(rng, 4)) << 34;
	unit->cap = cap;
	unit->ecap = (uint64_t)rng_below(rng, 4) << 6 | (uint64_t)rng_percent(rng, 70)
								<< 2; /* DT */
	if (world->scalable)
		scalable_capabilities(world);
	unit->haw = 36 + rng_below(rng, 15);
	values[0].value = unit->haw;
	values[1].value = unit->cap;
	values[2].value = unit->ecap;
	cr_assert(vtd_vectors.configure_from(config, values, 3, &err) == 0, "%s", err.text);
	((struct vtd_config *)config)->iotlb_sets = 1u << rng_below(rng, 4);
	((struct vtd_config *)config)->iotlb_ways = 1 + rng_below(rng, 8);
	((struct vtd_config *)config)->walk_entries = rng_below(rng, 3) * 8;
	((struct vtd_config *)config)->context_entries = 1 + rng_below(rng, WORLD_DEVICES);
	((struct vtd_config *)config)->pasid_entries = 1 + rng_below(rng, WORLD_DEVICES);
	((struct vtd_config *)config)->ih0_scope = rng_below(rng, 2);
}

static void make_tables(struct world *world)
{
	for (unsigned bus = 0; bus < 2; bus++)
		world_store(world, bus * 16, (uint64_t)(CONTEXTS + bus) << 12 | 1);
	world_store(world, 3 * 16, world->reference.limit | 1); /* bus 3: cannot be read */
	/* Known disagreement: in tables that serve as several levels, a page that nobody ever wrote
	 * cannot be read, instead of holding zeros. Every page is written here. */
	world_store(world, SPARE * 4096, 0);
	for (unsigned device = 0; device < WORLD_DEVICES; device++)
		write_context(world, device, false);
	for (unsigned page = TABLES; page < WORLD_PAGES; page++)
		for (unsigned i = 0; i < WORLD_INDICES; i++)
			world_store(world, page * 4096ull + world_indices[i] * 8,
				    random_entry(world, level_of_page(page)));
}

static void create(struct world *world, uint64_t seed)
{
	struct machine *machine;

	world->seed = seed;
	world->rng = rng_seed(seed);
	world->reference.words = world->words;
	world->reference.held = world->reference.limit = WORLD_PAGES * 4096;
	world->tangled = rng_percent(&world->rng, 25) && !world->scalable;
	world->observer = iommu_observer_silent;
	world->observer.self = world;
	world->observer.used = on_used;
	cr_assert(machine_create("vtd", &machine, NULL) == 0);
	configure(world, machine->model_config);
	cr_assert(memory_create(world->reference.limit, &world->memory, NULL) == 0);
	cr_assert(tables_create(world->memory, &world->tables, NULL) == 0);
	cr_assert(vtd_model.create(machine->model_config, seed, world->tables, &world->observer,
				   &world->iommu, NULL) == 0);
	machine_destroy(machine);
	for (unsigned i = 0; i < WORLD_DEVICES; i++)
		cr_assert(vtd_model.add_device(world->iommu, world_sids[i], NULL,
					       &world->handles[i], NULL) == 0);
}

static void start(struct world *world, uint64_t rtaddr)
{
	world->reference.rtaddr = rtaddr;
	vtd_model.reg_write(world->iommu, 0, 0x20, rtaddr, 8);
	cr_assert(vtd_vectors.start_from(world->iommu, NULL, 0, NULL) == 0);
}

void world_create(struct world *world, uint64_t seed)
{
	memset(world, 0, sizeof *world);
	create(world, seed);
	make_tables(world);
	start(world, 0);
}

void world_create_scalable(struct world *world, uint64_t seed)
{
	memset(world, 0, sizeof *world);
	world->scalable = true;
	create(world, seed);
	scalable_make_tables(world);
	start(world, 1 << 10);
}

void world_destroy(struct world *world)
{
	vtd_model.destroy(world->iommu);
	tables_destroy(world->tables);
	memory_destroy(world->memory);
}
