/* The slow counterpart of hw/smmuv3; the contract is in smmuv3_reference.h. */
#include "tests/reference/smmuv3_reference.h"

#include <string.h>

enum { NONE = -1, EVENT_ABORT_SILENTLY = 0x1000 };
enum {
	BAD_STREAMID = 0x02,
	STE_FETCH = 0x03,
	BAD_STE = 0x04,
	STREAM_DISABLED = 0x06,
	BAD_SUBSTREAMID = 0x08,
	CD_FETCH = 0x09,
	BAD_CD = 0x0a,
	WALK_EABT = 0x0b,
	TRANSLATION = 0x10,
	ADDR_SIZE = 0x11,
	ACCESS_FLAG = 0x12,
	PERMISSION = 0x13,
};
enum { FOR_CD = 0, FOR_TABLE = 1, FOR_INPUT = 2 };

/* Bits [high:low] of a word, as manuals write them. */
static uint64_t field(uint64_t word, unsigned high, unsigned low)
{
	uint64_t value = 0;

	for (unsigned i = low; i <= high; i++)
		value |= ((word >> i) & 1) << (i - low);
	return value;
}

static bool flag(uint64_t word, unsigned at)
{
	return word >> at & 1;
}

/* The address that bits [high:low] of a word hold, in place. */
static uint64_t address_field(uint64_t word, unsigned high, unsigned low)
{
	return field(word, high, low) << low;
}

static uint64_t aligned_down(uint64_t address, uint64_t bytes)
{
	return address / bytes * bytes;
}

static uint64_t power(unsigned n)
{
	return 1ull << n;
}

static unsigned smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* ---- one access on its way ------------------------------------------------------------------- */

/* Everything that is known of the access so far. */
struct access {
	const struct smmu_reference_unit *unit;
	const struct smmu_reference_request *request;
	bool privileged, instruction; /* after STE overrides */
	uint64_t ste[8], cd[8];
	unsigned config; /* STE.Config */
	int world;	 /* 1: NS-EL1, 2: EL2, 3: EL2-E2H */
	/* the fault that ends it */
	unsigned event;
	bool s2, forced, descriptor_write;
	unsigned class;
	uint64_t ipa, fetch;
};

static bool fails(struct access *a, unsigned event)
{
	a->event = event;
	a->class = FOR_INPUT;
	return false;
}

static bool fetch_fails(struct access *a, unsigned event, uint64_t at)
{
	a->fetch = at;
	return fails(a, event);
}

static bool load_entry(const struct smmu_reference_unit *unit, uint64_t at, uint64_t entry[8])
{
	for (unsigned i = 0; i < 8; i++)
		if (!unit->load(unit->memory, at + 8ull * i, &entry[i]))
			return false;
	return true;
}

static bool stage1_on(const struct access *a)
{
	return a->config == 5 || a->config == 7;
}

static bool stage2_on(const struct access *a)
{
	return a->config == 6 || a->config == 7;
}

/* ---- 3.3.1: the stream table ------------------------------------------------------------------ */

static bool find_ste(struct access *a, uint64_t *at)
{
	const struct smmu_reference_unit *unit = a->unit;
	uint64_t base = address_field(unit->strtab_base, 55, 6), sid = a->request->sid;
	unsigned split = unit->split == 8 || unit->split == 10 ? unit->split : 6, span;
	uint64_t l1, l1_at, index;

	if (sid >= power(smaller(unit->log2size, unit->sidsize)))
		return fails(a, BAD_STREAMID);
	if (unit->format != 1 || !unit->st_level) {
		*at = aligned_down(base, 64 * power(unit->log2size)) + 64 * sid;
		return true;
	}
	l1_at = 64;
	if (unit->log2size > split && 8 * power(unit->log2size - split) > 64)
		l1_at = 8 * power(unit->log2size - split);
	l1_at = aligned_down(base, l1_at) + 8 * (sid / power(split));
	if (!unit->load(unit->memory, l1_at, &l1))
		return fetch_fails(a, STE_FETCH, l1_at);
	span = (unsigned)field(l1, 4, 0);
	index = sid % power(split);
	if (span == 0 || span >= 12 || span > split + 1 || index >= power(span - 1))
		return fails(a, BAD_STREAMID);
	*at = aligned_down(address_field(l1, 55, 6), 64 * power(span - 1)) + 64 * index;
	return true;
}

/* ---- 5.2.2: legality of the STE ---------------------------------------------------------------- */

static unsigned size_of_code(uint64_t code)
{
	static const unsigned sizes[8] = { 32, 36, 40, 42, 44, 48, 52, 52 };

	return sizes[code];
}

static bool granule_there(const struct smmu_reference_unit *unit, unsigned granule)
{
	return (granule == 12 && unit->gran4k) || (granule == 14 && unit->gran16k) ||
	       (granule == 16 && unit->gran64k);
}

/* Output size of tables: 52 bits need the 64 KiB granule. */
static unsigned output_bits(const struct smmu_reference_unit *unit, uint64_t code, unsigned granule)
{
	unsigned size = smaller(size_of_code(code), unit->oas);

	return granule == 16 ? size : smaller(size, 48);
}

static unsigned s2_granule(const struct access *a)
{
	static const unsigned granules[4] = { 12, 16, 14, 0 };

	return granules[field(a->ste[2], 47, 46)];
}

/* The manual's level of the root, by the table of 1.8; NONE: reserved. */
static int s2_start_level(const struct access *a)
{
	static const int levels[3][4] = { { 2, 1, 0, NONE }, { 3, 2, 1, NONE }, { 3, 2, 1, NONE } };
	unsigned sl0 = (unsigned)field(a->ste[2], 39, 38), granule = s2_granule(a);

	if (granule == 12 && sl0 == 3)
		return a->unit->stt ? 3 : NONE;
	return levels[(granule - 12) / 2][sl0];
}

/* Input bits below what an entry of a level decodes. */
static unsigned shift_of(unsigned granule, int level)
{
	return granule + (unsigned)(3 - level) * (granule - 3);
}

static bool s2_sizes_legal(const struct access *a)
{
	const struct smmu_reference_unit *unit = a->unit;
	unsigned t0sz = (unsigned)field(a->ste[2], 37, 32), granule = s2_granule(a);
	unsigned least = granule == 16 && unit->oas == 52 ? 12 : 16;
	unsigned most = !unit->stt ? 39 : granule == 16 ? 47 : 48;
	int level = s2_start_level(a), index_bits;

	if (64 - unit->oas > least)
		least = 64 - unit->oas;
	if (t0sz < least || t0sz > most || level == NONE)
		return false;
	index_bits = (int)(64 - t0sz) - (int)shift_of(granule, level);
	return index_bits >= 1 && index_bits <= (int)granule - 3 + 4;
}

static bool s2_legal(const struct access *a)
{
	const struct smmu_reference_unit *unit = a->unit;
	uint64_t w2 = a->ste[2];
	bool stalls = flag(w2, 57);

	if (stalls ? unit->stall_model == 1 : unit->stall_model == 2)
		return false;
	if (!flag(w2, 51) || flag(w2, 52))
		return false;
	if ((flag(w2, 56) && unit->httu < 1) || (flag(w2, 55) && unit->httu < 2))
		return false;
	if (!granule_there(unit, s2_granule(a)))
		return false;
	if (address_field(a->ste[3], 51, 4) >> output_bits(unit, field(w2, 50, 48), s2_granule(a)))
		return false;
	return s2_sizes_legal(a);
}

static bool s1_legal(const struct access *a)
{
	const struct smmu_reference_unit *unit = a->unit;
	unsigned cdmax = (unsigned)field(a->ste[0], 63, 59),
		 format = (unsigned)field(a->ste[0], 5, 4);

	if (flag(a->ste[1], 27) && unit->stall_model != 0)
		return false;
	if (unit->ssidsize && cdmax > unit->ssidsize)
		return false;
	if (unit->ssidsize && cdmax && (format == 1 || format == 2) && !unit->cd2l)
		return false;
	return stage2_on(a) || !(address_field(a->ste[0], 55, 6) >> unit->oas);
}

static bool ats_legal(const struct access *a)
{
	unsigned eats = (unsigned)field(a->ste[1], 29, 28);
	bool stalls = flag(a->ste[2], 57);

	if (!a->unit->ats)
		return true;
	if (eats == 2)
		return a->config == 7 && !stalls && !a->unit->ns1ats;
	return !(eats == 1 && stage2_on(a) && stalls);
}

static bool ste_legal(struct access *a)
{
	const struct smmu_reference_unit *unit = a->unit;
	unsigned strw = (unsigned)field(a->ste[1], 31, 30);

	if ((stage1_on(a) && !unit->s1p) || (stage2_on(a) && !unit->s2p))
		return false;
	a->world = 1;
	if (a->config == 5 && unit->hyp) {
		if (strw & 1)
			return false;
		if (strw == 2)
			a->world = unit->e2h ? 3 : 2;
	}
	if (!ats_legal(a) || (stage1_on(a) && !s1_legal(a)))
		return false;
	if (a->world == 1 && unit->s2p && !unit->vmid16 && field(a->ste[2], 15, 0) > 255)
		return false;
	return !stage2_on(a) || s2_legal(a);
}

static bool read_ste(struct access *a)
{
	uint64_t at;

	if (!find_ste(a, &at))
		return false;
	if (!load_entry(a->unit, at, a->ste))
		return fetch_fails(a, STE_FETCH, at);
	a->config = (unsigned)field(a->ste[0], 3, 1);
	if (!flag(a->ste[0], 0))
		return fails(a, BAD_STE);
	if (a->config < 4)
		return fails(a, EVENT_ABORT_SILENTLY);
	if (a->config > 4 && !ste_legal(a))
		return fails(a, BAD_STE);
	return true;
}

/* STE.PRIVCFG and INSTCFG. */
static void override(struct access *a)
{
	unsigned privileged = (unsigned)field(a->ste[1], 49, 48);
	unsigned instruction = (unsigned)field(a->ste[1], 51, 50);

	if (!a->unit->attr_perms_ovr)
		return;
	if (privileged >= 2)
		a->privileged = privileged == 3;
	if (instruction >= 2 && !a->request->write)
		a->instruction = instruction == 3;
}

/* ---- descriptors ---------------------------------------------------------------------------------- */

enum kind { INVALID, TABLE, LEAF };

struct tables {
	unsigned granule, output;
	bool wide; /* 52-bit addresses in 64 KiB descriptors */
};

static uint64_t descriptor_address(const struct tables *tables, uint64_t raw, unsigned low)
{
	uint64_t address = address_field(raw, 47, low);

	if (tables->wide && tables->granule == 16)
		address += field(raw, 15, 12) << 48;
	return address;
}

static enum kind kind_of(const struct tables *tables, uint64_t raw, int level)
{
	unsigned type = (unsigned)field(raw, 1, 0);

	if (level == 3)
		return type == 3 ? LEAF : INVALID;
	if (type == 3)
		return TABLE;
	if (type != 1)
		return INVALID;
	if (level == 2)
		return LEAF;
	if (level == 1 && (tables->granule == 12 || (tables->granule == 16 && tables->wide)))
		return LEAF;
	return INVALID;
}

/* Bytes of the contiguous set of a leaf, or of the leaf (D8.7.1). */
static uint64_t span_of(const struct tables *tables, uint64_t raw, int level, unsigned input_bits)
{
	uint64_t page = power(shift_of(tables->granule, level));
	unsigned entries = tables->granule == 12   ? 16
			   : tables->granule == 16 ? 32
			   : level == 3		   ? 128
						   : 32;

	if (!flag(raw, 52) || (tables->granule != 12 && level < 2) || level < 1)
		return page;
	if (page * entries > power(input_bits) || page * entries > power(tables->output))
		return page;
	return page * entries;
}

/* ---- stage 2 ---------------------------------------------------------------------------------------- */

struct s2_result {
	uint64_t pa, page, span;
	bool read, write, execute; /* execute: by the access's privilege */
};

static bool s2_fails(struct access *a, unsigned event, unsigned purpose, uint64_t ipa)
{
	fails(a, event);
	a->s2 = true;
	a->class = purpose;
	a->ipa = aligned_down(ipa, 4096);
	return false;
}

static bool s2_executable(const struct access *a, uint64_t raw)
{
	unsigned xn = (unsigned)field(raw, 54, 53);

	if (!a->unit->xnx)
		return !(xn & 2);
	return xn == 0 || (xn == 1 && !a->privileged) || (xn == 3 && a->privileged);
}

/* Checks of a stage-2 leaf, in order, and what hardware writes. */
static bool s2_leaf(struct access *a, uint64_t at, uint64_t raw, uint64_t ipa, unsigned purpose,
		    bool to_write, bool to_execute, struct s2_result *out)
{
	bool ha = flag(a->ste[2], 56), hd = ha && flag(a->ste[2], 55);
	bool device = field(raw, 5, 4) == 0, dirty = false;
	uint64_t now = raw;

	if (!flag(raw, 10)) {
		if (ha)
			now |= power(10);
		else if (!flag(a->ste[2], 53))
			return s2_fails(a, ACCESS_FLAG, purpose, ipa);
	}
	if (purpose != FOR_INPUT && flag(a->ste[2], 54) && device)
		return s2_fails(a, PERMISSION, purpose, ipa);
	out->read = flag(raw, 6);
	out->write = flag(raw, 7) || (hd && flag(raw, 51));
	out->execute = s2_executable(a, raw);
	dirty = to_write && !flag(raw, 7);
	if (to_execute ? !out->execute : to_write ? !out->write : !out->read)
		return s2_fails(a, PERMISSION, purpose, ipa);
	if (dirty)
		now |= power(7);
	if (now != raw)
		a->unit->store(a->unit->memory, at, now);
	return true;
}

/* An IPA to a PA; to_write, to_execute: else it is read. */
static bool stage2(struct access *a, uint64_t ipa, unsigned purpose, bool to_write, bool to_execute,
		   struct s2_result *out)
{
	unsigned granule = s2_granule(a), input = 64 - (unsigned)field(a->ste[2], 37, 32);
	struct tables tables = { granule, output_bits(a->unit, field(a->ste[2], 50, 48), granule),
				 a->unit->oas == 52 };
	int level = s2_start_level(a);
	unsigned root_bits = input - shift_of(granule, level) + 3;
	uint64_t table = address_field(a->ste[3], 51, 4), raw, at;
	enum kind kind;

	a->descriptor_write = purpose == FOR_TABLE && to_write;
	if (ipa >> input)
		return s2_fails(a, TRANSLATION, purpose, ipa);
	if (tables.output == 52 && root_bits < 6)
		root_bits = 6;
	table = aligned_down(table, power(root_bits));
	for (bool root = true;; root = false, level++) {
		unsigned shift = shift_of(granule, level);
		unsigned top = root ? input - 1 : shift + granule - 3 - 1;

		at = table + 8 * field(ipa, top, shift);
		if (!a->unit->load(a->unit->memory, at, &raw)) {
			a->fetch = at;
			return s2_fails(a, WALK_EABT, purpose, ipa);
		}
		kind = kind_of(&tables, raw, level);
		if (kind == INVALID)
			return s2_fails(a, TRANSLATION, purpose, ipa);
		table = descriptor_address(&tables, raw, kind == LEAF ? shift : granule);
		if (table >> tables.output)
			return s2_fails(a, ADDR_SIZE, purpose, ipa);
		if (kind == LEAF)
			break;
	}
	if (!s2_leaf(a, at, raw, ipa, purpose, to_write, to_execute, out))
		return false;
	out->page = power(shift_of(granule, level));
	out->span = span_of(&tables, raw, level, input);
	out->pa = table + ipa % out->page;
	return true;
}

/* ---- 1.3 and 1.4: substreams and the CD ----------------------------------------------------------- */

static bool s2_of_cd(struct access *a, uint64_t address, uint64_t *pa)
{
	struct s2_result out;

	*pa = address;
	if (!stage2_on(a))
		return true;
	if (!stage2(a, address, FOR_CD, false, false, &out))
		return false;
	*pa = out.pa;
	return true;
}

static bool find_cd(struct access *a, uint64_t index, uint64_t *pa)
{
	const struct smmu_reference_unit *unit = a->unit;
	uint64_t base = address_field(a->ste[0], 55, 6), l1, at;
	unsigned cdmax = unit->ssidsize ? (unsigned)field(a->ste[0], 63, 59) : 0;
	unsigned format = (unsigned)field(a->ste[0], 5, 4);
	uint64_t leaf = format == 2 ? 1024 : 64, l1_bytes = 64;

	if (cdmax == 0 || format == 0 || format == 3)
		return s2_of_cd(a, aligned_down(base, 64 * power(cdmax)) + 64 * index, pa);
	if (8 * power(cdmax) / leaf > l1_bytes)
		l1_bytes = 8 * power(cdmax) / leaf;
	if (!s2_of_cd(a, aligned_down(base, l1_bytes) + 8 * (index / leaf), &at))
		return false;
	if (!unit->load(unit->memory, at, &l1))
		return fetch_fails(a, CD_FETCH, at);
	if (!flag(l1, 0))
		return fails(a, BAD_SUBSTREAMID);
	at = aligned_down(address_field(l1, 55, 12), 64 * leaf);
	if (!stage2_on(a) && at >> unit->oas)
		return fails(a, BAD_SUBSTREAMID);
	return s2_of_cd(a, at + 64 * (index % leaf), pa);
}

struct half {
	bool on, tbi, had, e0pd;
	unsigned granule, input, output;
	uint64_t root;
};

/* One half of the CD that is not disabled (5.4.2); false: illegal. */
static bool half_of(const struct access *a, unsigned n, struct half *half)
{
	static const unsigned granules[2][4] = { { 12, 16, 14, 0 }, { 0, 14, 12, 16 } };
	const struct smmu_reference_unit *unit = a->unit;
	uint64_t w0 = a->cd[0], base = a->cd[1 + n];
	unsigned txsz = (unsigned)(n ? field(w0, 21, 16) : field(w0, 5, 0));

	half->granule = granules[n][n ? field(w0, 23, 22) : field(w0, 7, 6)];
	if (!granule_there(unit, half->granule))
		return false;
	if (txsz < (half->granule == 16 && unit->vax ? 12u : 16u) ||
	    txsz > (!unit->stt		  ? 39u
		    : half->granule == 16 ? 47u
					  : 48u))
		return false;
	half->output = output_bits(unit, field(w0, 34, 32), half->granule);
	half->root = address_field(base, 51, 4);
	if (half->root >> half->output)
		return false;
	half->input = 64 - txsz;
	half->tbi = flag(w0, 38 + n);
	half->had = unit->had && flag(base, 1);
	half->e0pd = unit->e0pd && flag(base, 2);
	return true;
}

static bool cd_legal(const struct access *a, struct half halves[2])
{
	const struct smmu_reference_unit *unit = a->unit;
	uint64_t w0 = a->cd[0];
	bool stalls = flag(w0, 44), el2 = a->world == 2;

	if (!flag(w0, 31) || !flag(w0, 41))
		return false;
	if (stalls && (flag(a->ste[1], 27) || unit->stall_model == 1))
		return false;
	if (!stalls && unit->stall_model == 2)
		return false;
	if (!flag(w0, 46) && unit->term_model == 1)
		return false;
	if ((flag(w0, 43) && unit->httu < 1) || (flag(w0, 42) && unit->httu < 2))
		return false;
	if (!unit->asid16 && !el2 && field(w0, 63, 48) > 255)
		return false;
	halves[0].on = el2 || !flag(w0, 14);
	halves[1].on = !el2 && !flag(w0, 30);
	if (flag(w0, 15) && (halves[0].on || halves[1].on))
		return false;
	return (!halves[0].on || half_of(a, 0, &halves[0])) &&
	       (!halves[1].on || half_of(a, 1, &halves[1]));
}

/* Which CD, or *bypass: none. */
static bool read_cd(struct access *a, struct half halves[2], bool *bypass)
{
	const struct smmu_reference_request *request = a->request;
	unsigned cdmax = a->unit->ssidsize ? (unsigned)field(a->ste[0], 63, 59) : 0;
	unsigned dss = (unsigned)field(a->ste[1], 1, 0);
	uint64_t index = request->ssv ? request->ssid : 0, at;

	*bypass = !stage1_on(a);
	if (request->ssv && (!stage1_on(a) || cdmax == 0 || index >= power(cdmax)))
		return fails(a, BAD_SUBSTREAMID);
	if (!stage1_on(a))
		return true;
	if (cdmax && request->ssv && index == 0 && dss == 2)
		return fails(a, STREAM_DISABLED);
	if (cdmax && !request->ssv && dss != 2) {
		*bypass = dss == 1;
		if (!*bypass)
			return fails(a, STREAM_DISABLED);
		return true;
	}
	if (!find_cd(a, index, &at))
		return false;
	if (!load_entry(a->unit, at, a->cd))
		return fetch_fails(a, CD_FETCH, at);
	return cd_legal(a, halves) || fails(a, BAD_CD);
}

/* ---- stage 1 ---------------------------------------------------------------------------------------- */

/* What the tables on the way take away. */
struct taken {
	bool unprivileged, write, xn, pxn;
};

struct s1_result {
	uint64_t address, page, span;
	bool read, write, execute;
	bool dirty; /* a write has to make it dirty */
};

/* 1.6: what a leaf grants to this access's privilege. */
static void s1_rights(const struct access *a, uint64_t raw, const struct taken *taken,
		      struct s1_result *out)
{
	uint64_t w0 = a->cd[0];
	bool el2 = a->world == 2, hd = flag(w0, 43) && flag(w0, 42);
	bool clean = flag(raw, 7) && hd && flag(raw, 51);
	bool for_all = el2 || (flag(raw, 6) && !taken->unprivileged);
	bool writable = (!flag(raw, 7) || clean) && !taken->write;
	bool privileged = a->privileged || el2, wxn = flag(w0, 36);
	bool xn = flag(raw, 54) || taken->xn, pxn = flag(raw, 53) || taken->pxn;

	out->read = privileged || for_all;
	out->write = writable && (privileged || for_all);
	if (el2)
		out->execute = !xn;
	else if (privileged)
		out->execute = !pxn && !(writable && for_all);
	else
		out->execute = !xn;
	if (wxn && out->write)
		out->execute = false;
	if (flag(w0, 40) && privileged && !el2 && for_all)
		out->read = out->write = false;
	out->dirty = clean;
}

static bool s1_descriptor_pa(struct access *a, uint64_t at, bool to_write, uint64_t *pa)
{
	struct s2_result out;

	*pa = at;
	if (!stage2_on(a))
		return true;
	if (!stage2(a, at, FOR_TABLE, to_write, false, &out))
		return false;
	*pa = out.pa;
	return true;
}

static bool s1_leaf(struct access *a, uint64_t at, uint64_t raw, const struct taken *taken,
		    struct s1_result *out)
{
	bool ha = flag(a->cd[0], 43), write = a->request->write;
	uint64_t now = raw, pa;

	if (!flag(raw, 10)) {
		if (ha)
			now |= power(10);
		else if (!flag(a->cd[0], 35))
			return fails(a, ACCESS_FLAG);
	}
	s1_rights(a, raw, taken, out);
	if (a->instruction ? !out->execute : write ? !out->write : !out->read)
		return fails(a, PERMISSION);
	if (write && out->dirty)
		now &= ~power(7);
	if (now == raw)
		return true;
	if (!s1_descriptor_pa(a, at, true, &pa))
		return false;
	a->unit->store(a->unit->memory, pa, now);
	return true;
}

/* 1.5: whether the address lies in a half that is on. */
static bool in_half(const struct access *a, const struct half *half, bool upper)
{
	uint64_t va = a->request->address;

	if (!half->on)
		return false;
	for (unsigned i = half->input; i <= (half->tbi ? 55u : 63u); i++)
		if (flag(va, i) != upper)
			return false;
	return !half->e0pd || a->privileged;
}

static void take(const struct access *a, uint64_t raw, struct taken *taken)
{
	taken->write |= flag(raw, 62);
	taken->xn |= flag(raw, 60);
	if (a->world == 2)
		return;
	taken->unprivileged |= flag(raw, 61);
	taken->pxn |= flag(raw, 59);
}

static bool stage1(struct access *a, const struct half halves[2], struct s1_result *out)
{
	uint64_t va = a->request->address, table, at, pa, raw;
	bool upper = a->world != 2 && flag(va, 55);
	const struct half *half = &halves[upper];
	struct tables tables = { half->granule, half->output, a->unit->oas == 52 };
	struct taken taken = { 0 };
	unsigned root_bits;
	enum kind kind;
	int level;

	if (!in_half(a, half, upper))
		return fails(a, TRANSLATION);
	level = 3 - (int)((half->input - half->granule - 1) / (half->granule - 3));
	root_bits = half->input - shift_of(half->granule, level) + 3;
	if (half->output == 52 && root_bits < 6)
		root_bits = 6;
	table = aligned_down(half->root, power(root_bits));
	for (bool root = true;; root = false, level++) {
		unsigned shift = shift_of(half->granule, level);
		unsigned top = root ? half->input - 1 : shift + half->granule - 3 - 1;

		at = table + 8 * field(va, top, shift);
		if (!s1_descriptor_pa(a, at, false, &pa))
			return false;
		if (!a->unit->load(a->unit->memory, pa, &raw)) {
			fetch_fails(a, WALK_EABT, pa);
			a->class = FOR_TABLE;
			return false;
		}
		kind = kind_of(&tables, raw, level);
		if (kind == INVALID)
			return fails(a, TRANSLATION);
		table = descriptor_address(&tables, raw, kind == LEAF ? shift : half->granule);
		if (table >> half->output)
			return fails(a, ADDR_SIZE);
		if (kind == LEAF)
			break;
		if (!half->had)
			take(a, raw, &taken);
	}
	out->page = power(shift_of(half->granule, level));
	out->span = span_of(&tables, raw, level, half->input);
	out->address = table + va % out->page;
	return s1_leaf(a, at, raw, &taken, out);
}

/* ---- all of it ---------------------------------------------------------------------------------- */

static bool translate(struct access *a, struct smmu_reference_answer *answer)
{
	struct half halves[2] = { { 0 } };
	struct s1_result s1 = { .address = a->request->address,
				.page = ~0ull,
				.span = ~0ull,
				.read = true,
				.write = true,
				.execute = true };
	struct s2_result s2;
	bool bypass;

	if (!read_ste(a))
		return false;
	override(a);
	if (!read_cd(a, halves, &bypass))
		return false;
	if (bypass && a->request->address >> a->unit->oas) {
		a->forced = true;
		return fails(a, ADDR_SIZE);
	}
	if (!bypass && !stage1(a, halves, &s1))
		return false;
	answer->pa = s1.address;
	answer->page_bytes = s1.page;
	answer->span_bytes = s1.span;
	answer->read = s1.read;
	answer->write = s1.write;
	answer->execute = s1.execute;
	if (stage2_on(a)) {
		if (!stage2(a, s1.address, FOR_INPUT, a->request->write, a->instruction, &s2))
			return false;
		answer->pa = s2.pa;
		answer->page_bytes = s2.page < s1.page ? s2.page : s1.page;
		answer->span_bytes = s2.span < s1.span ? s2.span : s1.span;
		answer->read &= s2.read;
		answer->write &= s2.write;
		answer->execute &= s2.execute;
	} else if (bypass) { /* nothing is granted but what passes */
		answer->page_bytes = answer->span_bytes = 4096;
		answer->execute = false;
	}
	return true;
}

/* 3.12: A, R and S, or S2S and S2R, of the stage that found the fault. */
static void respond(const struct access *a, struct smmu_reference_answer *answer)
{
	bool by_model = a->event >= TRANSLATION && a->event <= PERMISSION && !a->forced;

	answer->event = a->event;
	answer->response = REFERENCE_ABORT;
	answer->recorded = a->event != BAD_STREAMID || a->unit->recinvsid;
	if (!by_model)
		return;
	if (a->s2 ? flag(a->ste[2], 57) : flag(a->cd[0], 44)) {
		answer->response = REFERENCE_STALL;
		return;
	}
	answer->recorded = a->s2 ? flag(a->ste[2], 58) : flag(a->cd[0], 45);
	if (!a->s2 && !flag(a->cd[0], 46))
		answer->response = REFERENCE_RAZWI;
}

/* 7.3: which fields a record has follows from its number. */
static void write_record(const struct access *a, struct smmu_reference_answer *answer)
{
	const struct smmu_reference_request *request = a->request;
	uint64_t *w = answer->record;
	bool by_model = a->event >= TRANSLATION && a->event <= PERMISSION;

	w[0] = a->event | (uint64_t)request->sid << 32;
	if (request->ssv && a->event != STREAM_DISABLED) {
		w[0] |= (uint64_t)request->ssid << 12;
		if (a->event != BAD_SUBSTREAMID)
			w[0] |= power(11);
	}
	if (a->event == STE_FETCH || a->event == CD_FETCH || a->event == WALK_EABT)
		w[3] = address_field(a->fetch, 51, 3);
	if (!by_model && a->event != WALK_EABT)
		return;
	w[1] = (answer->response == REFERENCE_STALL ? power(31) : 0) |
	       (uint64_t)a->privileged << 33 | (uint64_t)(a->instruction && !request->write) << 34 |
	       (uint64_t)!request->write << 35 | (uint64_t)a->s2 << 39 | (uint64_t)a->class << 40;
	if (a->event == PERMISSION && a->class == FOR_TABLE && !a->descriptor_write)
		w[1] |= power(44);
	w[2] = request->address;
	if (by_model && a->s2)
		w[3] = address_field(a->ipa, 51, 12);
}

void smmuv3_reference(const struct smmu_reference_unit *unit,
		      const struct smmu_reference_request *request,
		      struct smmu_reference_answer *answer)
{
	struct access a = { .unit = unit,
			    .request = request,
			    .privileged = request->privileged,
			    .instruction = request->instruction && !request->write };

	memset(answer, 0, sizeof *answer);
	if (!unit->enabled) {
		answer->pa = request->address;
		answer->page_bytes = answer->span_bytes = 4096;
		answer->read = answer->write = true;
		if (unit->gbpa_abort || request->address >> unit->oas)
			answer->response = REFERENCE_ABORT;
		return;
	}
	if (translate(&a, answer))
		return;
	memset(answer, 0, sizeof *answer);
	answer->response = REFERENCE_ABORT;
	if (a.event == EVENT_ABORT_SILENTLY)
		return;
	respond(&a, answer);
	if (answer->recorded)
		write_record(&a, answer);
}
