/* Random SMMUv3 structures; the contract is in smmuv3_world.h. */
#include "tests/reference/smmuv3_world.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sim/machine.h"

/* Where things lie: stream tables, a CD area for each stream, tables in slots of 64 KiB. */
enum { LEAF_STES = 0x4000, CDS = 0x10000, CD_AREA = 0x8000, SLOTS = 0x100000, SLOT = 0x10000 };
enum { GRANULES = 3, LEVELS = 4, COPIES = 2, NO_SLOT = -1 };
enum { STREAMS_LOG2 = 6, EL2_STREAM = 9 };

const uint32_t smmu_world_sids[SMMU_WORLD_SIDS] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 40, 64, 0x1000 };

static const unsigned granule_lg2[GRANULES] = { 12, 14, 16 };

static bool chance(struct smmu_world *world, unsigned percent)
{
	return rng_percent(&world->rng, percent);
}

static uint32_t below(struct smmu_world *world, uint32_t n)
{
	return rng_below(&world->rng, n);
}

/* ---- both memories ---------------------------------------------------------------------------- */

static bool reference_load(void *memory, uint64_t address, uint64_t *word)
{
	const struct smmu_world *world = memory;

	if (address >= world->limit)
		return false;
	*word = address < SMMU_WORLD_BYTES ? world->words[address / 8] : 0;
	return true;
}

static void reference_store(void *memory, uint64_t address, uint64_t word)
{
	struct smmu_world *world = memory;

	cr_assert_lt(address, SMMU_WORLD_BYTES);
	world->words[address / 8] = word;
	world->written++;
}

static void put(struct smmu_world *world, uint64_t address, uint64_t word)
{
	world->words[address / 8] = word;
	cr_assert(tables_store(world->tables, address, 1, word, 0, NULL) == 0);
	smmuv3_model.tables_changed(world->iommu, world->event, world->tables->changes,
				    world->tables->n_changes);
}

bool smmu_world_agrees(const struct smmu_world *world)
{
	for (uint64_t at = 0; at < SMMU_WORLD_BYTES; at += 8) {
		uint64_t word = 0;

		if (!memory_read(world->memory, at, &word) || word != world->words[at / 8])
			return false;
	}
	return true;
}

static void invalidate(struct smmu_world *world)
{
	static const struct smmuv3_command all[] = { { .opcode = CMD_CFGI_STE_RANGE, .size = 31 },
						     { .opcode = CMD_TLBI_NSNH_ALL },
						     { .opcode = CMD_TLBI_EL2_ALL },
						     { .opcode = CMD_SYNC } };
	struct native_command native;
	struct inval_report report;

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		if (all[i].opcode == CMD_TLBI_EL2_ALL && !world->config.hyp)
			continue;
		cr_assert(smmuv3_pack(&all[i], &native));
		cr_assert(smmuv3_model.execute(world->iommu, ++world->event, &native, &report,
					       NULL) == 0);
	}
}

/* ---- tables -------------------------------------------------------------------------------------- */

/* The level is the manual's; a granule of 64 KiB has none 0. */
static uint64_t slot(unsigned stage2, unsigned granule, unsigned level, unsigned copy)
{
	unsigned number = ((stage2 * GRANULES + granule) * LEVELS + level) * COPIES + copy;

	return SLOTS + (uint64_t)number * SLOT;
}

static unsigned shift_of(unsigned granule, unsigned level)
{
	return granule_lg2[granule] + (3 - level) * (granule_lg2[granule] - 3);
}

static unsigned some_index(struct smmu_world *world, unsigned granule)
{
	static const unsigned indices[] = { 0, 1, 2, 16, 17, 131 };
	unsigned most = (1u << (granule_lg2[granule] - 3)) - 1;

	return chance(world, 8) ? most : indices[below(world, 6)];
}

/* An output address, often of memory, sometimes beyond what tables may reach. */
static uint64_t some_output(struct smmu_world *world, unsigned stage2, unsigned shift)
{
	uint64_t address = rng_next(&world->rng) & ((1ull << world->config.oas) - 1);

	if (stage2 && world->flag_writes) /* tables are nobody else's memory */
		address |= SMMU_WORLD_BYTES;
	else if (chance(world, 70))
		address &= (1ull << (shift < 22 ? 22 : shift + 1)) - 1;
	if (chance(world, 2))
		address |= 1ull << (32 + below(world, 20));
	return address & ~((1ull << shift) - 1);
}

/* Address bits 51:48 of the 64 KiB granule stand in 15:12. */
static uint64_t with_address(struct smmu_world *world, unsigned granule, uint64_t address)
{
	uint64_t low = address & 0xffffffffffffull;

	if (granule_lg2[granule] == 16 && world->config.oas == 52)
		low |= address >> 48 << 12;
	return low;
}

static uint64_t attributes(struct smmu_world *world, unsigned stage2, unsigned level)
{
	uint64_t random = rng_next(&world->rng), raw = 0;

	raw |= chance(world, 90) ? 1ull << 10 : 0;		/* AF */
	raw |= chance(world, 80) ? 1ull << 6 : 0;		/* AP[1], S2AP read */
	raw |= chance(world, stage2 ? 75 : 25) ? 1ull << 7 : 0; /* AP[2], S2AP write */
	raw |= random & (3ull << 53 | 1ull << 51);		/* XN, DBM */
	raw |= stage2 && chance(world, 90) ? 0xfull << 2 : random & (0xfull << 2);
	raw |= world->global && chance(world, 30) ? 0 : 1ull << 11; /* nG; ignored at stage 2 */
	raw |= random & (3ull << 8 | 0xfull << 55);		    /* SH, software's */
	raw |= level < 3 ? random & 1ull << 16 : 0;		    /* nT of a block */
	if (chance(world, 10))
		raw |= random & (0xfull << 59); /* not looked at in a leaf */
	return raw;
}

static unsigned set_entries(unsigned granule, unsigned level)
{
	if (level == 0 || (granule && level == 1))
		return 1;
	return granule == 0 ? 16 : granule == 1 ? (level == 3 ? 128 : 32) : 32;
}

/* A leaf, or with sets a whole set of them, contiguous or not. */
static void put_leaf(struct smmu_world *world, unsigned stage2, unsigned granule, unsigned level,
		     uint64_t table, unsigned index)
{
	unsigned shift = shift_of(granule, level),
		 n = world->sets ? set_entries(granule, level) : 1;
	uint64_t raw = attributes(world, stage2, level) | (level == 3 ? 3 : 1);
	uint64_t output;

	if (shift + (unsigned)__builtin_ctz(n) >= 48)
		n = 1;
	output = some_output(world, stage2, shift + (unsigned)__builtin_ctz(n));
	if (n > 1 ? chance(world, 50) : !world->sets && chance(world, 5))
		raw |= 1ull << 52;
	index -= index % n;
	for (unsigned i = 0; i < n; i++)
		put(world, table + (index + i) * 8,
		    raw | with_address(world, granule, output + ((uint64_t)i << shift)));
}

/* Sets are whole or gone. */
static void put_other(struct smmu_world *world, unsigned granule, unsigned level, uint64_t table,
		      unsigned index, uint64_t raw)
{
	unsigned n = world->sets ? set_entries(granule, level) : 1, first = index - index % n;

	for (unsigned i = 0; i < n; i++)
		if (world->words[(table + (first + i) * 8) / 8] >> 52 & 1)
			put(world, table + (first + i) * 8, 0);
	put(world, table + index * 8, raw);
}

static void put_table(struct smmu_world *world, unsigned stage2, unsigned granule, unsigned level,
		      uint64_t table, unsigned index)
{
	uint64_t raw = slot(stage2, granule, level + 1, below(world, COPIES)) | 3;

	if (chance(world, 20)) /* hierarchical attributes */
		raw |= rng_next(&world->rng) & (0xfull << 59);
	if (!world->sets && chance(world, 2))
		raw = (raw & ~0xffffffff000ull) | some_output(world, stage2, 16);
	put_other(world, granule, level, table, index, raw);
}

/* What nested walks read their tables through: the first 4 MiB map to themselves. */
static void put_identity(struct smmu_world *world, unsigned granule, unsigned copy)
{
	uint64_t table = slot(1, granule, 2, copy);

	for (unsigned i = 0; i < (granule ? 1 : 2); i++)
		put_other(world, granule, 2, table, i,
			  ((uint64_t)i << shift_of(granule, 2)) | 0x7fd);
}

static void put_some(struct smmu_world *world, unsigned stage2, unsigned granule, unsigned level)
{
	unsigned copy = below(world, COPIES), index = some_index(world, granule);
	uint64_t table = slot(stage2, granule, level, copy);
	unsigned kind = below(world, 100);

	if (stage2 && level == 2 && chance(world, 60))
		put_identity(world, granule, copy);
	else if (kind < 8)
		put_other(world, granule, level, table, index,
			  rng_next(&world->rng) & ~(chance(world, 30) ? 2ull : 1ull) &
				  ~(1ull << 52));
	else if (level < 3 && (kind < 75 || level == 0))
		put_table(world, stage2, granule, level, table, index);
	else
		put_leaf(world, stage2, granule, level, table, index);
}

/* ---- configuration ------------------------------------------------------------------------------- */

static unsigned granule_code(unsigned granule, unsigned n)
{
	static const unsigned codes[2][GRANULES] = { { 0, 2, 1 }, { 2, 1, 3 } };

	return codes[n][granule];
}

/* TxSZ and the level of its root; mostly legal. */
static unsigned some_size(struct smmu_world *world, unsigned granule, unsigned *level)
{
	unsigned least = 64 - (unsigned)world->config.oas > 16 && chance(world, 90)
				 ? 64 - (unsigned)world->config.oas
				 : 16;
	unsigned size = least + below(world, chance(world, 4) ? 64 - least : 40 - least);
	unsigned bits = 64 - size;
	unsigned steps = granule_lg2[granule] - 3;

	*level = 3 - (bits - granule_lg2[granule] - 1) / steps;
	if (bits <= granule_lg2[granule] || *level > 3)
		*level = 3;
	return size;
}

static uint64_t some_ps(struct smmu_world *world)
{
	static const unsigned sizes[] = { 32, 36, 40, 42, 44, 48, 52 };
	unsigned code = below(world, 8);

	if (chance(world, 70))
		for (code = 0; code < 6 && sizes[code] < world->config.oas;)
			code++;
	return code;
}

/* Entries of one table have ASIDs of their own. */
static void put_cd(struct smmu_world *world, uint64_t at)
{
	unsigned g0 = below(world, GRANULES), g1 = below(world, GRANULES), l0, l1;
	uint64_t w0 = some_size(world, g0, &l0) | (uint64_t)some_size(world, g1, &l1) << 16;

	w0 |= granule_code(g0, 0) << 6 | granule_code(g1, 1) << 22 | some_ps(world) << 32;
	w0 |= chance(world, 5) ? 1ull << 14 : 0;		 /* EPD0 */
	w0 |= chance(world, 50) ? 1ull << 30 : 0;		 /* EPD1 */
	w0 |= chance(world, 98) ? 1ull << 31 : 0;		 /* V */
	w0 |= chance(world, 98) ? 1ull << 41 : 0;		 /* AA64 */
	w0 |= chance(world, 2) ? 1ull << 15 : 0;		 /* ENDI */
	w0 |= rng_next(&world->rng) & (1ull << 35 | 3ull << 38); /* AFFD, TBI */
	w0 |= chance(world, 15) ? 1ull << 36 : 0;		 /* WXN */
	w0 |= chance(world, 15) ? 1ull << 40 : 0;		 /* PAN */
	w0 |= chance(world, 25) ? 1ull << 44 : 0;		 /* S */
	w0 |= chance(world, 75) ? 1ull << 45 : 0;		 /* R */
	w0 |= chance(world, 75) ? 1ull << 46 : 0;		 /* A */
	w0 |= world->cd_flags | (world->config.s2p ? at / 64 % 200 + 1 : at / 64) << 48;
	if (chance(world, 2))
		w0 |= 0x100ull << 48;
	put(world, at, w0);
	put(world, at + 8,
	    slot(0, g0, l0, below(world, COPIES)) | (chance(world, 15) ? 2 : 0) |
		    (chance(world, 10) ? 4 : 0));
	put(world, at + 16,
	    slot(0, g1, l1, below(world, COPIES)) | (chance(world, 15) ? 2 : 0) |
		    (chance(world, 10) ? 4 : 0));
	if (!world->sets && chance(world, 2))
		put(world, at + 8, some_output(world, 0, 12));
}

/* Stage-2 fields: start level, size and granule that go together, mostly. */
static void put_stage2(struct smmu_world *world, uint64_t at, unsigned vmid)
{
	static const int codes[GRANULES][LEVELS] = { { 2, 1, 0, 3 },
						     { 3, 2, 1, 0 },
						     { 3, 2, 1, 0 } };
	unsigned granule = below(world, GRANULES), level, concatenated = 0;
	unsigned size = some_size(world, granule, &level);
	uint64_t word, root;

	/* one level lower with concatenated tables, where hardware's writes hit nothing else */
	if (level < 3 && !world->flag_writes && !world->sets && chance(world, 40) &&
	    64 - size <= shift_of(granule, level + 1) + granule_lg2[granule] - 3 + 4) {
		level++;
		concatenated = 1;
	}
	root = slot(1, granule, level, concatenated ? 0 : below(world, COPIES));
	word = vmid | (uint64_t)size << 32 | (uint64_t)codes[granule][level] << 38 |
	       (uint64_t)granule_code(granule, 0) << 46 | some_ps(world) << 48;
	word |= chance(world, 98) ? 1ull << 51 : 0; /* S2AA64 */
	word |= chance(world, 2) ? 1ull << 52 : 0;  /* S2ENDI */
	word |= chance(world, 40) ? 1ull << 53 : 0; /* S2AFFD */
	word |= chance(world, 50) ? 1ull << 54 : 0; /* S2PTW */
	word |= world->ste_flags;
	word |= chance(world, 20) ? 1ull << 57 : 0; /* S2S */
	word |= chance(world, 80) ? 1ull << 58 : 0; /* S2R */
	if (!world->sets && chance(world, 3))
		word ^= 1ull << (32 + below(world, 8));
	put(world, at + 16, word);
	put(world, at + 24, world->sets || chance(world, 98) ? root : some_output(world, 1, 12));
}

/* Two-level CD tables: an L1 table at the start of the area, leaves behind it. */
static void put_cds(struct smmu_world *world, unsigned stream, unsigned format, unsigned cdmax)
{
	uint64_t area = CDS + (uint64_t)stream * CD_AREA;
	uint64_t leaf = format == 1 ? area + 0x2000 : area - area % 0x10000; /* its alignment */
	bool two_level = cdmax && (format == 1 || format == 2);

	if (two_level)
		put(world, area, leaf | (chance(world, 95) ? 1 : 0));
	/* the first entry of an area may be its L1 table */
	for (unsigned i = two_level ? 1 : 0; i < (cdmax ? 5u : 1u); i++)
		put_cd(world, (two_level ? leaf : area) + i * 64ull);
}

static void put_ste(struct smmu_world *world, unsigned stream)
{
	static const unsigned modes[] = { 5, 5, 5, 6, 6, 7, 7, 7, 4 };
	uint64_t at = LEAF_STES + stream * 64ull, area = CDS + (uint64_t)stream * CD_AREA;
	bool el2 = stream == EL2_STREAM;
	unsigned mode = el2 ? 5 : chance(world, 96) ? modes[below(world, 9)] : below(world, 8);
	unsigned cdmax = world->global || el2 || chance(world, 50) ? 0 : below(world, 10);
	unsigned format = chance(world, 97) ? below(world, 3) : 3;
	uint64_t w1 = below(world, 4); /* S1DSS */

	w1 |= chance(world, 10) ? (uint64_t)below(world, 4) << 48 : 0; /* PRIVCFG */
	w1 |= chance(world, 10) ? (uint64_t)below(world, 4) << 50 : 0; /* INSTCFG */
	w1 |= chance(world, 5) ? 1ull << 27 : 0;		       /* S1STALLD */
	w1 |= chance(world, 10) ? (uint64_t)below(world, 4) << 28 : 0; /* EATS */
	w1 |= el2 ? 2ull << 30 : chance(world, 2) ? 1ull << 30 : 0;
	put_cds(world, stream, format, cdmax);
	put_stage2(world, at, (stream + 1) | (chance(world, 2) ? 0x100u : 0u));
	put(world, at + 8, w1);
	put(world, at,
	    (chance(world, 97) ? 1 : 0) | mode << 1 | format << 4 |
		    (chance(world, 98) ? area : some_output(world, 0, 12)) | (uint64_t)cdmax << 59);
}

/* Either form of the stream table leads to the same STEs. */
static void put_stream_table(struct smmu_world *world)
{
	struct smmu_reference_unit *unit = &world->reference;
	bool two_level = chance(world, 60);

	unit->format = two_level ? 1 : 0;
	unit->log2size = chance(world, 96) ? STREAMS_LOG2 : below(world, 9);
	unit->split = chance(world, 90) ? 6 : 8;
	/* both forms begin at aligned places */
	unit->strtab_base = two_level ? 0 : LEAF_STES;
	put(world, 0,
	    (chance(world, 98) ? (uint64_t)LEAF_STES : world->limit) |
		    (chance(world, 97) ? 5 + below(world, 3) : below(world, 32)));
	smmuv3_model.reg_write(world->iommu, world->event, SMMU_STRTAB_BASE, unit->strtab_base, 8);
	smmuv3_model.reg_write(world->iommu, world->event, SMMU_STRTAB_BASE_CFG,
			       unit->log2size | unit->split << 6 | unit->format << 16, 4);
}

static void set_registers(struct smmu_world *world)
{
	struct smmu_reference_unit *unit = &world->reference;

	unit->enabled = chance(world, 97);
	unit->recinvsid = chance(world, 70);
	unit->gbpa_abort = chance(world, 50);
	smmuv3_model.reg_write(world->iommu, world->event, SMMU_CR2,
			       (uint64_t)unit->e2h | (uint64_t)unit->recinvsid << 1, 4);
	smmuv3_model.reg_write(world->iommu, world->event, SMMU_GBPA,
			       1ull << 31 | (uint64_t)unit->gbpa_abort << 20, 4);
	smmuv3_model.reg_write(world->iommu, world->event, SMMU_CR0, 0xe | unit->enabled, 4);
}

/* ---- life ------------------------------------------------------------------------------------------ */

static void on_used(void *self, const struct checked_use *use)
{
	struct smmu_world *world = self;

	world->stale += use->verdict == VERDICT_STALE_USE || use->verdict == VERDICT_STALE_REFUSAL;
}

static void choose_features(struct smmu_world *world)
{
	static const unsigned sizes[] = { 32, 36, 40, 42, 44, 48, 48, 52, 52 };
	struct smmuv3_config *config = &world->config;
	struct machine *machine = NULL;

	cr_assert(machine_create("smmuv3", &machine, NULL) == 0);
	*config = *(struct smmuv3_config *)machine->model_config;
	machine_destroy(machine);
	config->oas = sizes[below(world, 9)];
	config->hyp = chance(world, 80);
	config->gran4k = chance(world, 95);
	config->gran16k = chance(world, 90);
	config->gran64k = chance(world, 95);
	config->stt = chance(world, 40);
	config->vax = chance(world, 30);
	config->asid16 = chance(world, 80);
	config->vmid16 = chance(world, 80);
	config->ssidsize = chance(world, 85) ? 8 : 0;
	config->cd2l = chance(world, 90);
	config->st_level = chance(world, 90);
	config->httu = below(world, 3);
	config->xnx = chance(world, 50);
	config->had = chance(world, 60);
	config->e0pd = chance(world, 40);
	config->ats = chance(world, 80);
	config->ns1ats = chance(world, 20);
	config->attr_perms_ovr = chance(world, 85);
	config->stall_model = chance(world, 70) ? 0 : below(world, 3);
	config->term_model = chance(world, 15);
	config->s1p = chance(world, 97);
	/* without stage 2 there is no VMID to keep streams apart: ASIDs have to, and none is global */
	config->s2p = !config->s1p || !config->asid16 || world->global || chance(world, 95);
	config->stage = config->s1p ? 1 : 2;
	config->bbml = below(world, 3);
	config->contiguous = world->sets;
	config->cache_illegal = chance(world, 50);
	config->tlb_sets = 1ull << below(world, 5);
	config->tlb_ways = 1 + below(world, 9);
	config->walk_ways = 0;
	config->walk_entries = below(world, 3) * 8;
	config->config_entries = 1 + below(world, 12);
}

static void tell_reference(struct smmu_world *world)
{
	const struct smmuv3_config *config = &world->config;

	world->reference = (struct smmu_reference_unit){
		.memory = world,
		.load = reference_load,
		.store = reference_store,
		.oas = (unsigned)config->oas,
		.sidsize = (unsigned)config->sidsize,
		.ssidsize = (unsigned)config->ssidsize,
		.httu = (unsigned)config->httu,
		.stall_model = (unsigned)config->stall_model,
		.term_model = (unsigned)config->term_model,
		.s1p = config->s1p,
		.s2p = config->s2p,
		.hyp = config->hyp,
		.gran4k = config->gran4k,
		.gran16k = config->gran16k,
		.gran64k = config->gran64k,
		.stt = config->stt,
		.vax = config->vax,
		.asid16 = config->asid16,
		.vmid16 = config->vmid16,
		.cd2l = config->cd2l,
		.st_level = config->st_level,
		.xnx = config->xnx,
		.had = config->had,
		.e0pd = config->e0pd,
		.ats = config->ats,
		.ns1ats = config->ns1ats,
		.attr_perms_ovr = config->attr_perms_ovr,
		.e2h = chance(world, 40),
	};
}

static void choose_flags(struct smmu_world *world)
{
	unsigned cd = world->sets ? 0 : below(world, 3), ste = world->sets ? 0 : below(world, 3);

	if (world->config.httu < cd && chance(world, 90))
		cd = (unsigned)world->config.httu;
	if (world->config.httu < ste && chance(world, 90))
		ste = (unsigned)world->config.httu;
	world->cd_flags = cd == 2 ? 3ull << 42 : cd ? 1ull << 43 : 0;
	world->ste_flags = ste == 2 ? 3ull << 55 : ste ? 1ull << 56 : 0;
	world->flag_writes = cd || ste;
	world->dirty_writes = cd == 2 || ste == 2;
}

static void open_unit(struct smmu_world *world)
{
	world->limit = chance(world, 50) ? SMMU_WORLD_BYTES + 0x1000000 : 1ull << world->config.oas;
	world->observer = iommu_observer_silent;
	world->observer.self = world;
	world->observer.used = on_used;
	/* queues lie at the end of what the tables of the world do not reach */
	cr_assert(memory_create(world->limit, &world->memory, NULL) == 0);
	cr_assert(tables_create(world->memory, &world->tables, NULL) == 0);
	cr_assert(smmuv3_model.create(&world->config, world->seed, world->tables, &world->observer,
				      &world->iommu, NULL) == 0);
	smmuv3_model.reg_write(world->iommu, 0, SMMU_EVENTQ_BASE, (world->limit - 0x10000) | 7, 8);
	for (unsigned i = 0; i < SMMU_WORLD_SIDS; i++)
		cr_assert(smmuv3_model.add_device(world->iommu, smmu_world_sids[i], NULL,
						  &world->handles[i], NULL) == 0);
}

void smmu_world_create(struct smmu_world *world, uint64_t seed)
{
	memset(world, 0, sizeof *world);
	world->seed = seed;
	world->rng = rng_seed(seed);
	world->words = calloc(SMMU_WORLD_BYTES / 8, 8);
	cr_assert(world->words != NULL);
	world->global = chance(world, 20);
	world->sets = chance(world, 25);
	choose_features(world);
	choose_flags(world);
	tell_reference(world);
	open_unit(world);
	put_stream_table(world);
	set_registers(world);
	for (unsigned stage2 = 0; stage2 < 2; stage2++)
		for (unsigned granule = 0; granule < GRANULES; granule++)
			for (unsigned level = granule == 2; level < LEVELS; level++)
				for (unsigned i = 0; i < 14; i++)
					put_some(world, stage2, granule, level);
	for (unsigned i = 0; i < SMMU_WORLD_STREAMS; i++)
		put_ste(world, i);
	invalidate(world);
}

void smmu_world_destroy(struct smmu_world *world)
{
	smmuv3_model.destroy(world->iommu);
	tables_destroy(world->tables);
	memory_destroy(world->memory);
	free(world->words);
}

void smmu_world_update(struct smmu_world *world)
{
	unsigned kind = below(world, 100);

	world->event++;
	if (kind < 5)
		put_stream_table(world);
	else if (kind < 10)
		set_registers(world);
	else if (kind < 50)
		put_ste(world, below(world, SMMU_WORLD_STREAMS));
	for (unsigned n = below(world, 8); n; n--) {
		unsigned granule = below(world, GRANULES);
		unsigned level = granule == 2 ? 1 + below(world, 3) : below(world, LEVELS);

		put_some(world, below(world, 2), granule, level);
	}
	invalidate(world);
}

uint64_t smmu_world_address(struct smmu_world *world)
{
	unsigned granule = below(world, GRANULES), depth = 1 + below(world, 4);
	uint64_t address = rng_next(&world->rng) & ((1ull << granule_lg2[granule]) - 1);

	for (unsigned level = 3; level > 3 - depth && level < 4; level--)
		address |= (uint64_t)some_index(world, granule) << shift_of(granule, level);
	address &= (1ull << 52) - 1;
	if (chance(world, 25))
		address |= ~0ull << (25 + below(world, 28));
	if (chance(world, 5))
		address ^= (uint64_t)below(world, 256) << 56;
	if (chance(world, 3))
		address ^= 1ull << below(world, 64);
	return address;
}
