/* Random tables of VT-d's scalable mode; the contract is in vtd_world.h. */
#include "tests/reference/vtd_world_private.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { DEVICES = 4, SOURCES = 6, PASIDS = 6 };

/*
 * Pages: the root table, context tables of both halves of buses 0 and 1, each device's PASID directory and
 * two PASID tables, the second-stage tables of nested translation, which map the first pages of
 * memory to themselves, and second- and first-stage tables of five levels each.
 */
enum {
	CONTEXTS = 1,
	DIRECTORIES = 5,
	PASID_TABLES = DIRECTORIES + DEVICES,
	PARENT = PASID_TABLES + 2 * DEVICES,
	SECOND = PARENT + 5,
	FIRST = SECOND + 25,
	END = FIRST + 25,
};
_Static_assert((int)END <= (int)WORLD_PAGES, "the tables fit");

/* The first four have context entries; bus 2 has no root entry, that of bus 3 cannot be read. */
static const unsigned sources[SOURCES] = { 0, 3, 4, 7, 8, 10 };
/* In the first entry of a directory, in its second, in one that is not present, and beyond small ones. */
static const uint32_t pasids[PASIDS] = { 0, 0x3f, 0x41, 0x7f, 0x80, 0x2000 };

enum { FIRST_ONLY = 1, SECOND_ONLY, NESTED, PASS_THROUGH };

/* ---- entries ---------------------------------------------------------------------------- */

void scalable_capabilities(struct world *world)
{
	/* DT, NEST, ERS, SRS, EAFS, SSADS, SSTS, FSTS, SMPWCS, RPS: mostly there. */
	static const uint8_t some[] = { 2, 26, 30, 31, 34, 45, 46, 47, 48, 49 };
	struct reference_unit *unit = &world->reference;

	unit->ecap |= 1ull << 43;	  /* SMTS */
	if (rng_percent(&world->rng, 60)) /* MGAW of 57 bits */
		unit->cap = (unit->cap & ~(0x3full << 16)) | 56ull << 16;
	for (unsigned i = 0; i < sizeof some; i++)
		unit->ecap |= (uint64_t)rng_percent(&world->rng, 88) << some[i];
	unit->cap |= (uint64_t)rng_percent(&world->rng, 70) << 56; /* FS1GP */
	unit->cap |= (uint64_t)rng_percent(&world->rng, 60) << 60; /* FS5LP */
}

static uint64_t table_of_level(struct world *world, unsigned pool, unsigned level)
{
	unsigned page = pool + (level - 1) * 5 + rng_below(&world->rng, 5);

	return (uint64_t)page << 12;
}

/* Level 1 to 5 of a page of a pool. */
static unsigned level_in(unsigned pool, unsigned page)
{
	return 1 + (page - pool) / 5;
}

static uint64_t second_entry(struct world *world, unsigned level)
{
	uint64_t table = table_of_level(world, SECOND, level > 1 ? level - 1 : 1);
	uint64_t entry = world_second_entry(world, level, table);

	if (rng_percent(&world->rng, 50)) /* A and D */
		entry |= (uint64_t)rng_below(&world->rng, 4) << 8;
	return entry;
}

static uint64_t low_mask_of(unsigned n)
{
	return (1ull << n) - 1;
}

/* A page's address: often one that the second stage of nested translation maps. */
static uint64_t page_address(struct world *world, unsigned shift)
{
	uint64_t address = rng_next(&world->rng) & low_mask_of(world->reference.haw);

	if (rng_percent(&world->rng, 2))
		address = 0xfee00000 + (rng_next(&world->rng) & 0xff000);
	else if (rng_percent(&world->rng, 60))
		address &= low_mask_of(23);
	return address & ~low_mask_of(shift);
}

static uint64_t first_entry(struct world *world, unsigned level)
{
	struct rng *rng = &world->rng;
	unsigned shift = 12 + 9 * (level - 1);
	uint64_t entry = 1;

	if (rng_percent(rng, 6))
		return rng_percent(rng, 30) ? rng_next(rng) & ~1ull : 0;
	entry |= rng_percent(rng, 90) ? 1u << 1 : 0;
	entry |= rng_percent(rng, 93) ? 1u << 2 : 0;
	entry |= (uint64_t)rng_below(rng, 4) << 5;     /* A, D */
	entry |= rng_percent(rng, 50) ? 1u << 10 : 0;  /* EA */
	entry |= rng_percent(rng, 4) ? 1ull << 63 : 0; /* XD */
	if (rng_percent(rng, 30)) /* ignored: PWT, PCD, G, [9], [11], [62:52] */
		entry |= rng_next(rng) & 0x7ff0000000000b18;
	if (level == 1 || (level <= 3 && rng_percent(rng, 20))) {
		entry |= page_address(world, shift);
		entry |= level > 1 ? 1u << 7 : rng_percent(rng, 10) ? 1u << 7 : 0; /* PS, PAT */
		if (level > 1 && rng_percent(rng, 10))
			entry |= 1u << 12; /* PAT */
		if (level > 1 && rng_percent(rng, 4))
			entry |= 1ull << (13 + rng_below(rng, shift - 13));
	} else if (rng_percent(rng, 2)) {
		entry |= world->reference.limit + ((uint64_t)rng_below(rng, 16) << 12);
		entry |= (uint64_t)rng_percent(rng, 50) << (world->reference.haw - 1);
	} else {
		entry |= table_of_level(world, FIRST, level - 1);
	}
	if (rng_percent(rng, 2)) /* a bit that is no address of a table */
		entry ^= world_bit(world) & ~0x7fff000ull;
	return entry;
}

/*
 * Of the second stage under nested translation: page for page the same address, or a whole 2 MiB or
 * 1 GiB of them, with rights and state bits at random, and now and then something else.
 */
static uint64_t parent_entry(struct world *world, unsigned level, unsigned index)
{
	struct rng *rng = &world->rng;
	uint64_t entry = 3 | (uint64_t)rng_below(rng, 4) << 8;

	if (rng_percent(rng, 3))
		return second_entry(world, level);
	entry ^= rng_percent(rng, 4) ? 1u << rng_below(rng, 2) : 0;
	entry |= level == 1 && rng_percent(rng, 5) ? 1u << 11 : 0;
	if (level == 1)
		return entry | (uint64_t)index << 12;
	if (level <= 3 && rng_percent(rng, 15))
		return entry | 1u << 7 | (uint64_t)index << (12 + 9 * (level - 1));
	if (level == 2 && index)
		return entry | table_of_level(world, SECOND, 1);
	return entry | (uint64_t)(PARENT + level - 2) << 12;
}

/* How many of the first entries of a table of that level are in use. */
static unsigned parent_entries(unsigned level)
{
	return level == 1 ? (unsigned)END : level == 2 ? 4u : 1u;
}

/* ---- configuration -------------------------------------------------------------------------- */

static uint64_t entry_address(unsigned device, uint32_t pasid)
{
	return (uint64_t)(PASID_TABLES + 2 * device + (pasid >> 6 & 1)) * 4096 + (pasid & 63) * 64;
}

static uint64_t context_address(unsigned device)
{
	uint16_t sid = world_sids[sources[device]];

	return (uint64_t)(CONTEXTS + (sid >> 7)) * 4096 + (sid & 0x7f) * 32u;
}

static uint16_t did_of(unsigned device, unsigned pasid)
{
	return (uint16_t)(1 + device * PASIDS + pasid);
}

/* A bit of a capability, mostly only where the unit has it. */
static uint64_t enable(struct world *world, unsigned percent, unsigned capability, unsigned bit)
{
	bool there = world->reference.ecap >> capability & 1;

	return (uint64_t)(rng_percent(&world->rng, percent) &&
			  (there || rng_percent(&world->rng, 3)))
	       << bit;
}

/* The tables of a nested second stage are the parent's. */
static uint64_t second_stage_words(struct world *world, bool nested)
{
	unsigned width;

	do
		width = 1 + rng_below(&world->rng, 3);
	while (!(world->reference.cap >> (8 + width) & 1) && !rng_percent(&world->rng, 1));
	if (nested)
		return (uint64_t)(PARENT + width + 1) << 12 | (uint64_t)width << 2;
	return table_of_level(world, SECOND, width + 2) | (uint64_t)width << 2;
}

static void random_pasid_entry(struct world *world, unsigned device, unsigned pasid,
			       uint64_t words[3])
{
	static const uint8_t capability[] = {
		[FIRST_ONLY] = 47, [SECOND_ONLY] = 46, [NESTED] = 26, [PASS_THROUGH] = 6
	};
	struct rng *rng = &world->rng;
	unsigned type, depth = rng_percent(rng, 30);

	do
		type = 1 + rng_below(rng, 4);
	while ((!(world->reference.ecap >> capability[type] & 1) || type == PASS_THROUGH) &&
	       !rng_percent(rng, 20));
	if (depth && !(world->reference.cap >> 60 & 1) && !rng_percent(rng, 5))
		depth = 0;
	words[0] = rng_percent(rng, 97) | (uint64_t)rng_percent(rng, 10) << 1 | (uint64_t)type << 6;
	words[1] = did_of(device, pasid) | enable(world, 90, 48, 23) |
		   (uint64_t)rng_percent(rng, 20) << 24;
	words[2] = enable(world, 60, 31, 0) | enable(world, 60, 30, 1);
	if (type == SECOND_ONLY || type == NESTED)
		words[0] |= second_stage_words(world, type == NESTED) | enable(world, 50, 45, 9);
	if (type == FIRST_ONLY || type == NESTED) {
		words[2] |= (uint64_t)depth << 2 | (uint64_t)rng_below(rng, 8) << 4 |
			    enable(world, 40, 34, 7);
		words[2] |= table_of_level(world, FIRST, 4 + depth);
	}
	if (rng_percent(rng, 2))
		words[0] ^= 1ull << (rng_percent(rng, 50) ? 10 + rng_below(rng, 2)
							  : 6 + rng_below(rng, 3));
	if (rng_percent(rng, 2)) /* tables that are no memory */
		words[rng_percent(rng, 50) ? 0 : 2] |= world->reference.limit;
}

static void write_pasid_entry(struct world *world, unsigned device, unsigned pasid)
{
	uint64_t at = entry_address(device, pasids[pasid]), words[3] = { 0 };

	random_pasid_entry(world, device, pasid, words);
	world_store(world, at, 0); /* P=0 first */
	world_store(world, at + 8, words[1]);
	world_store(world, at + 16, words[2]);
	world_store(world, at + 24, rng_percent(&world->rng, 2) ? world_bit(world) : 0);
	world_store(world, at, words[0]);
}

static void write_context(struct world *world, unsigned device)
{
	struct rng *rng = &world->rng;
	uint64_t at = context_address(device);
	uint64_t low = rng_percent(rng, 96), high = 0;

	low |= (uint64_t)rng_percent(rng, 10) << 1;
	low |= (uint64_t)rng_percent(rng, 80) << 2; /* DTE */
	low |= (uint64_t)rng_percent(rng, 90) << 3; /* PASIDE */
	low |= (uint64_t)rng_percent(rng, 50) << 4; /* PRE */
	low |= (uint64_t)rng_below(rng, 3) << 9;    /* PDTS */
	low |= (uint64_t)(DIRECTORIES + device) << 12;
	low ^= rng_percent(rng, 2) ? 1ull << (5 + rng_below(rng, 4)) : 0;
	if (rng_percent(rng, 2))
		low |= world->reference.limit;
	if (rng_percent(rng, 30) && (world->reference.ecap >> 49 & 1 || rng_percent(rng, 40)))
		high = pasids[rng_below(rng, PASIDS)];
	high |= rng_percent(rng, 1) ? 1ull << (21 + rng_below(rng, 43)) : 0;
	world_store(world, at, 0);
	world_store(world, at + 8, high);
	world_store(world, at + 16, rng_percent(rng, 1) ? world_bit(world) : 0);
	world_store(world, at, low);
}

static void write_directory(struct world *world, unsigned device, unsigned i)
{
	struct rng *rng = &world->rng;
	uint64_t entry = (uint64_t)(PASID_TABLES + 2 * device + i) << 12 | 1;

	entry |= (uint64_t)rng_percent(rng, 5) << 1;
	entry ^= rng_percent(rng, 3);
	entry ^= rng_percent(rng, 3) ? 1ull << (2 + rng_below(rng, 10)) : 0;
	if (rng_percent(rng, 3))
		entry |= world->reference.limit;
	world_store(world, (uint64_t)(DIRECTORIES + device) * 4096 + i * 8u, entry);
}

static void write_root(struct world *world, unsigned half)
{
	uint64_t entry = (uint64_t)(CONTEXTS + half) << 12 | 1;

	if (rng_percent(&world->rng, 12))
		entry ^= world_bit(world) & ~0x7f000ull;
	world_store(world, half * 8, entry);
}

/* ---- updates -------------------------------------------------------------------------------- */

/* What the domain's translations are from: bits of enum pools below. */
enum { FROM_FIRST = 1, FROM_SECOND = 2, FROM_PARENT = 4 };

static unsigned sources_of(const struct world *world, unsigned device, unsigned pasid)
{
	uint64_t word = world->words[entry_address(device, pasids[pasid]) / 8];

	switch (word >> 6 & 7) {
	case FIRST_ONLY:
		return FROM_FIRST;
	case SECOND_ONLY:
		return FROM_SECOND;
	case NESTED:
		return FROM_FIRST | FROM_SECOND | FROM_PARENT;
	default:
		return 0;
	}
}

/* Type 2 of a domain's pages: by the range where one stage has it, else all of it. */
static void flush_domain(struct world *world, unsigned device, unsigned pasid, unsigned from,
			 const struct table_change *change)
{
	uint64_t did = did_of(device, pasid);
	unsigned used = sources_of(world, device, pasid);
	struct invalidation what = { .what = INVAL_RANGE,
				     .pasid = NO_PASID,
				     .tag = did,
				     .first = change->first,
				     .last = change->last };
	struct native_command command;
	struct invalidation covers;

	if (!(used & from))
		return;
	if (used & FROM_PARENT && from == FROM_FIRST) { /* type 6, all of the PASID */
		world_execute(world, 0x26 | did << 16 | (uint64_t)pasids[pasid] << 32, 0);
		return;
	}
	if (used & FROM_PARENT) {
		world_execute(world, 0x22 | did << 16, 0);
		return;
	}
	if (from == FROM_FIRST)
		what.pasid = pasids[pasid];
	vtd_model.encode(world->iommu, &what, &command, &covers);
	world_execute(world, command.words[0], command.words[1]);
}

/* Invalidates what the last store changed, for every domain that it may be of. */
static void flush_changes(struct world *world, unsigned from)
{
	uint32_t n = world->tables->n_changes;
	struct table_change *changes;

	if (n > 16 || rng_percent(&world->rng, 30)) {
		world_execute(world, 0x12, 0); /* IOTLB, global */
		return;
	}
	if (!n)
		return;
	changes = malloc(n * sizeof *changes);
	cr_assert(changes != NULL);
	memcpy(changes, world->tables->changes, n * sizeof *changes);
	for (uint32_t i = 0; i < n; i++)
		for (unsigned device = 0; device < DEVICES; device++)
			for (unsigned pasid = 0; pasid < PASIDS; pasid++)
				flush_domain(world, device, pasid, from, &changes[i]);
	free(changes);
}

static void update_tables(struct world *world)
{
	unsigned what = rng_below(&world->rng, 100), page, level, index;

	if (what < 20) {
		level = 1 + rng_below(&world->rng, 5);
		index = rng_below(&world->rng, parent_entries(level));
		world_store(world, (PARENT + level - 1) * 4096ull + index * 8,
			    parent_entry(world, level, index));
		flush_changes(world, FROM_PARENT);
	} else if (what < 45) {
		page = SECOND + rng_below(&world->rng, 25);
		world_store(world, page * 4096ull + world_index(world) * 8,
			    second_entry(world, level_in(SECOND, page)));
		flush_changes(world, FROM_SECOND);
	} else {
		page = FIRST + rng_below(&world->rng, 25);
		world_store(world, page * 4096ull + world_index(world) * 8,
			    first_entry(world, level_in(FIRST, page)));
		flush_changes(world, FROM_FIRST);
	}
}

/* PASID cache, then the IOTLB of the domain. */
static void update_pasid(struct world *world)
{
	unsigned device = rng_below(&world->rng, DEVICES), pasid = rng_below(&world->rng, 4);
	uint64_t did = did_of(device, pasid), name = (uint64_t)pasids[pasid] << 32;

	write_pasid_entry(world, device, pasid);
	if (rng_percent(&world->rng, 50))
		world_execute(world, 0x17 | did << 16 | name, 0);
	else
		world_execute(world, rng_percent(&world->rng, 50) ? 0x07 | did << 16 : 0x37, 0);
	world_execute(world, 0x22 | did << 16, 0);
}

void scalable_update(struct world *world)
{
	struct rng *rng = &world->rng;
	unsigned what = rng_below(rng, 100);

	if (world->reference.rtaddr != 1 << 10) {
		world_set_root(world, 1 << 10);
	} else if (what < 1) {
		world_set_root(world, world->reference.limit | 1 << 10);
	} else if (what < 3) {
		write_root(world, rng_below(rng, 4));
		world_flush_everything(world);
	} else if (what < 7) {
		write_context(world, rng_below(rng, DEVICES));
		world_flush_everything(world);
	} else if (what < 10) {
		write_directory(world, rng_below(rng, DEVICES), rng_below(rng, 2));
		world_flush_everything(world);
	} else if (what < 30) {
		update_pasid(world);
	} else {
		update_tables(world);
	}
}

/* ---- a world ------------------------------------------------------------------------------------ */

void scalable_make_tables(struct world *world)
{
	for (unsigned half = 0; half < 4; half++)
		world_store(world, half * 8, (uint64_t)(CONTEXTS + half) << 12 | 1);
	world_store(world, 3 * 16, world->reference.limit | 1);
	for (unsigned device = 0; device < DEVICES; device++) {
		write_context(world, device);
		for (unsigned i = 0; i < 2; i++)
			write_directory(world, device, i);
		for (unsigned pasid = 0; pasid < 4; pasid++)
			write_pasid_entry(world, device, pasid);
	}
	for (unsigned level = 1; level <= 5; level++)
		for (unsigned i = 0; i < parent_entries(level); i++)
			world_store(world, (PARENT + level - 1) * 4096ull + i * 8,
				    parent_entry(world, level, i));
	for (unsigned i = 0; i < 25; i++)
		for (unsigned k = 0; k < WORLD_INDICES; k++) {
			uint64_t at = world_indices[k] * 8;

			world_store(world, (SECOND + i) * 4096ull + at,
				    second_entry(world, level_in(SECOND, SECOND + i)));
			world_store(world, (FIRST + i) * 4096ull + at,
				    first_entry(world, level_in(FIRST, FIRST + i)));
		}
}

/* The levels of the tables that an address goes through, and whether it is canonical there. */
static unsigned depth_of(const struct world *world, const struct world_target *target, bool *first)
{
	uint32_t pasid = target->pasid;
	uint64_t at;

	*first = false;
	if (target->device >= DEVICES)
		return 4;
	if (pasid == REFERENCE_NO_PASID)
		pasid = (uint32_t)world->words[context_address(target->device) / 8 + 1] & 0xfffff;
	at = entry_address(target->device, pasid) / 8;
	switch (world->words[at] >> 6 & 7) {
	case FIRST_ONLY:
	case NESTED:
		*first = true;
		return 4 + (unsigned)(world->words[at + 2] >> 2 & 1);
	default:
		*first = false;
		return 2 + (unsigned)(world->words[at] >> 2 & 3);
	}
}

void world_target(struct world *world, struct world_target *target)
{
	struct rng *rng = &world->rng;
	unsigned source = rng_percent(rng, 97) ? rng_below(rng, DEVICES) : rng_below(rng, SOURCES);
	unsigned depth;
	bool first;

	*target = (struct world_target){ .device = source, .pasid = REFERENCE_NO_PASID };
	if (rng_percent(rng, 60))
		target->pasid =
			pasids[rng_percent(rng, 97) ? rng_below(rng, 4) : rng_below(rng, PASIDS)];
	depth = depth_of(world, target, &first);
	target->device = sources[source];
	for (unsigned level = 1; level <= depth; level++)
		target->address |= (uint64_t)world_index(world) << (12 + 9 * (level - 1));
	if (first && target->address >> (11 + 9 * depth))
		target->address |= ~low_mask_of(12 + 9 * depth);
	if (rng_percent(rng, 2))
		target->address ^= world_bit(world);
	if (rng_percent(rng, 2))
		target->address = 0xfee00000;
	target->address = (target->address & ~0xfffull) | (rng_next(rng) & 0xfff);
}
