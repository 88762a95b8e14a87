/*
 * What is gone after each invalidation, and what stays: hardware sheet 4.3 and 4.6, row by row, for every
 * command. One unit holds copies of every kind; a row says which of them its command removes, and all
 * others must still be there.
 *
 * Names of copies: c10 context cache entry of device 10h, e6/41 PASID cache entry of domain 6 and PASID
 * 41h, l5:04 translation of domain 5 (l6/41: of domain 6 and PASID 41h) of page 8080604000h, p5:2 cached
 * level-2 table pointer of domain 5, a12:04 and a12/41:04 copies in the TLB of device 12h.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hw/vtd/vtd.h"
#include "sim/machine.h"

#define PAGE 0x8080604000ull /* index 1, 2, 3, 4 from the top level down */
enum { NAME = 24, COPIES = 80, LIST = 1024 };
enum { DEVICES = 3, ENDPOINT = 2 };

static const uint16_t sids[DEVICES] = { 0x10, 0x11, 0x12 };

struct holdings {
	char names[COPIES][NAME];
	unsigned n;
};

struct unit {
	struct memory *memory;
	struct tables *tables;
	struct iommu *iommu;
	uint32_t devices[DEVICES];
	struct holdings held;
};

/* ---- a unit with copies of every kind --------------------------------------------------------- */

/* Pages 4 and 5 of every space; the first stage's tables have their accessed and dirty bits. */
static void store_pages(struct unit *u)
{
	static const uint64_t words[][2] = {
		{ 0x10008, 0x11003 },
		{ 0x11010, 0x12003 },
		{ 0x12018, 0x13003 },
		{ 0x13020, 0x12345003 },
		{ 0x13028, 0x12346003 },
		{ 0x20008, 0x21027 },
		{ 0x21010, 0x22027 },
		{ 0x22018, 0x23027 },
		{ 0x23020, 0x22345067 },
		{ 0x23028, 0x22346067 },
		/* a second stage that maps all below 1 GiB to itself, for nested translation */
		{ 0x30000, 0x31003 },
		{ 0x31000, 0x83 },
	};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		cr_assert(tables_store(u->tables, words[i][0], 1, words[i][1], 0, NULL) == 0);
}

/*
 * Scalable mode. Device 10h: without PASID domain 5, PASID 41h a first stage of domain 6, 42h nested of
 * domain 7, 43h a first stage of domain 6 again. Devices 11h and 12h: domain 8, and 9 with a first
 * stage of domain 10 for PASID 41h; the last has a device TLB.
 */
static void store_scalable(struct unit *u)
{
	static const uint64_t words[][2] = {
		{ 0x1000, 0x2001 },  { 0x2200, 0x3009 },  { 0x2220, 0x6001 },  { 0x2240, 0x800d },
		{ 0x3000, 0x4001 },  { 0x3008, 0x5001 },  { 0x6000, 0x7001 },  { 0x8000, 0x9001 },
		{ 0x8008, 0xa001 },  { 0x4000, 0x10089 }, { 0x4008, 5 },       /* 10h */
		{ 0x5040, 0x41 },    { 0x5048, 6 },	  { 0x5050, 0x20000 }, /* 41h */
		{ 0x5080, 0x300c9 }, { 0x5088, 7 },	  { 0x5090, 0x20000 }, /* 42h */
		{ 0x50c0, 0x41 },    { 0x50c8, 6 },	  { 0x50d0, 0x20000 }, /* 43h */
		{ 0x7000, 0x10089 }, { 0x7008, 8 },			       /* 11h */
		{ 0x9000, 0x10089 }, { 0x9008, 9 },			       /* 12h */
		{ 0xa040, 0x41 },    { 0xa048, 10 },	  { 0xa050, 0x20000 }, /* 41h */
	};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		cr_assert(tables_store(u->tables, words[i][0], 1, words[i][1], 0, NULL) == 0);
}

/* Legacy mode: the devices' domains are 5, 6 and 6; the last may send ATS requests. */
static void store_legacy(struct unit *u)
{
	static const uint64_t words[][2] = {
		{ 0x1000, 0x2001 }, { 0x2100, 0x10001 }, { 0x2108, 0x502 }, { 0x2110, 0x10001 },
		{ 0x2118, 0x602 },  { 0x2120, 0x10005 }, { 0x2128, 0x602 },
	};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		cr_assert(tables_store(u->tables, words[i][0], 1, words[i][1], 0, NULL) == 0);
}

static void touch(struct unit *u, unsigned device, uint32_t pasid, iova_t iova)
{
	struct dma_request request = { .iova = iova,
				       .len = 4,
				       .device = u->devices[device],
				       .pasid = pasid,
				       .access = ACCESS_READ };
	struct dma_result result;

	vtd_model.translate(u->iommu, 0, &request, &result, 1);
	cr_assert_eq(result.outcome, OUTCOME_OK, "device %u pasid 0x%x: reason 0x%x", device, pasid,
		     result.fault);
}

static void open_unit(struct unit *u, bool scalable, uint64_t ih0_scope)
{
	struct machine *machine;
	struct vtd_config *config;

	memset(u, 0, sizeof *u);
	cr_assert(memory_create(1ull << 40, &u->memory, NULL) == 0);
	cr_assert(tables_create(u->memory, &u->tables, NULL) == 0);
	store_pages(u);
	(scalable ? store_scalable : store_legacy)(u);
	cr_assert(machine_create("vtd", &machine, NULL) == 0);
	config = machine->model_config;
	config->ih0_scope = ih0_scope;
	cr_assert(vtd_model.create(config, 1, u->tables, &iommu_observer_silent, &u->iommu, NULL) ==
		  0);
	for (unsigned i = 0; i < DEVICES; i++)
		cr_assert(vtd_model.add_device(u->iommu, sids[i],
					       i == ENDPOINT ? &machine->device.tlb : NULL,
					       &u->devices[i], NULL) == 0);
	machine_destroy(machine);
	vtd_model.reg_write(u->iommu, 0, 0x20, scalable ? 0x1400 : 0x1000, 8);
	vtd_model.reg_write(u->iommu, 0, 0x18, 1u << 30, 4);
	vtd_model.reg_write(u->iommu, 0, 0x18, 1u << 31, 4);
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned device = 0; device < DEVICES; device++)
			touch(u, device, NO_PASID, PAGE + i * 0x1000);
		for (uint32_t pasid = 0x41; pasid <= 0x43 && scalable; pasid++)
			touch(u, 0, pasid, PAGE + i * 0x1000);
		if (scalable)
			touch(u, ENDPOINT, 0x41, PAGE + i * 0x1000);
	}
}

static void close_unit(struct unit *u)
{
	vtd_model.destroy(u->iommu);
	tables_destroy(u->tables);
	memory_destroy(u->memory);
}

/* ---- what it holds ------------------------------------------------------------------------------ */

static void name_copy(void *ctx, const struct cached_copy *copy)
{
	struct unit *u = ctx;
	char *name = u->held.names[u->held.n++], pasid[8] = "";
	unsigned page = (unsigned)(copy->first >> 12 & 0xff), tag = (unsigned)copy->tag;
	/* levels as the manual counts those of entries */
	unsigned level = copy->level % VTD_FIRST_STAGE_LEVEL + 2u;

	cr_assert_leq(u->held.n, COPIES);
	if (copy->pasid != NO_PASID)
		snprintf(pasid, sizeof pasid, "/%x", (unsigned)copy->pasid & 0xff);
	switch (copy->structure) {
	case STRUCTURE_TLB:
		snprintf(name, NAME, "l%u%s:%02x", tag, pasid, page);
		break;
	case STRUCTURE_WALK_CACHE:
		snprintf(name, NAME, "p%u%s:%u", tag, pasid, level);
		break;
	case STRUCTURE_ATC:
		snprintf(name, NAME, "a%x%s:%02x", (unsigned)sids[tag], pasid, page);
		break;
	case STRUCTURE_CONFIG:
		if (copy->serves != NO_PASID)
			snprintf(name, NAME, "e%u/%x", tag, (unsigned)copy->serves & 0xff);
		else
			snprintf(name, NAME, "c%x", (unsigned)copy->first & 0xff);
		break;
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void list(struct unit *u, struct holdings *held)
{
	u->held.n = 0;
	vtd_model.each_copy(u->iommu, name_copy, u);
	qsort(u->held.names, u->held.n, NAME, by_name);
	*held = u->held;
}

static bool holds(const struct holdings *held, const char *name)
{
	for (unsigned i = 0; i < held->n; i++)
		if (!strcmp(held->names[i], name))
			return true;
	return false;
}

static void expect_gone(struct unit *u, const struct holdings *before, const char *what,
			const char *expected)
{
	struct holdings after;
	char gone[LIST] = "";

	list(u, &after);
	for (unsigned i = 0; i < before->n; i++)
		if (!holds(&after, before->names[i]))
			snprintf(gone + strlen(gone), sizeof gone - strlen(gone), "%s%s",
				 *gone ? " " : "", before->names[i]);
	cr_expect_str_eq(gone, expected, "%s", what);
}

#define SECOND_5 "l5:04 l5:05 p5:2 p5:3 p5:4"
#define FIRST_6 "l6/41:04 l6/41:05 l6/43:04 l6/43:05"
#define POINTERS_6 " p6/41:2 p6/41:3 p6/41:4 p6/43:2 p6/43:3 p6/43:4"
#define CONTEXTS "c10 c11 c12"

Test(vtd_scope, every_kind_of_copy_is_there)
{
	struct unit u;

	open_unit(&u, true, IH0_RANGE);
	expect_gone(&u,
		    &(struct holdings){ .n = 6,
					.names = { "l7/42:04", "p6/41:4", "e7/42", "e5/0",
						   "a12/41:05", "c12" } },
		    "held", "");
	close_unit(&u);
}

struct row {
	char what[72];
	uint64_t low, high;
	char gone[320];
};

ParameterizedTestParameters(vtd_scope, a_command_takes_what_it_must_and_no_more)
{
	static struct row rows[] = {
		/* type 1: context entries of scalable mode have no domain id */
		{ "context cache, global", 0x11, 0, CONTEXTS },
		{ "context cache, domain 5", 0x50021, 0, CONTEXTS },
		{ "context cache, device 10h", 0x1000050031, 0, "c10" },
		{ "context cache, device 16h, FM 1: function bit 2", 0x1001600050031, 0, "c12" },
		{ "context cache, device 14h, FM 2: bits 2 and 1", 0x2001400050031, 0, "c10 c12" },
		{ "context cache, device 10h, FM 3: all functions", 0x3001000050031, 0, CONTEXTS },
		{ "context cache, device 20h", 0x2000050031, 0, "" },
		/* type 2 */
		{ "IOTLB, domain 5", 0x500e2, 0, SECOND_5 },
		{ "IOTLB, domain 6: all PASIDs", 0x600e2, 0, FIRST_6 POINTERS_6 },
		{ "IOTLB, domain 7: nested", 0x700e2, 0, "l7/42:04 l7/42:05" },
		{ "IOTLB, a domain without copies", 0x400e2, 0, "" },
		{ "IOTLB, page 4 of domain 5", 0x500f2, 0x8080604000, "l5:04 p5:2 p5:3 p5:4" },
		{ "IOTLB, page 4 of domain 5, IH", 0x500f2, 0x8080604040, "l5:04" },
		{ "IOTLB, page 7 of domain 5", 0x500f2, 0x8080607000, "p5:2 p5:3 p5:4" },
		{ "IOTLB, page 7 of domain 5, IH", 0x500f2, 0x8080607040, "" },
		{ "IOTLB, pages 4 to 7 of domain 5, named by page 6", 0x500f2, 0x8080606002,
		  SECOND_5 },
		{ "IOTLB, the next 2 MiB of domain 5", 0x500f2, 0x8080800009, "p5:3 p5:4" },
		{ "IOTLB, the next 1 GiB of domain 5", 0x500f2, 0x80c0000012, "p5:4" },
		{ "IOTLB, another page of domain 6: all its first-stage copies", 0x600f2, 0x1000,
		  FIRST_6 POINTERS_6 },
		{ "IOTLB, another page of domain 6, IH: pointers stay", 0x600f2, 0x1040, FIRST_6 },
		{ "IOTLB, another page of domain 7: all nested copies", 0x700f2, 0x1000,
		  "l7/42:04 l7/42:05" },
		/* type 6 */
		{ "PASID IOTLB, all of 41h of domain 6", 0x4100060026, 0,
		  "l6/41:04 l6/41:05 p6/41:2 p6/41:3 p6/41:4" },
		{ "PASID IOTLB, all of 41h of domain 5", 0x4100050026, 0, "" },
		{ "PASID IOTLB, all of PASID 0 of domain 5: a second stage", 0x50026, 0, "" },
		{ "PASID IOTLB, all of 42h of domain 7: nested", 0x4200070026, 0,
		  "l7/42:04 l7/42:05" },
		{ "PASID IOTLB, page 4", 0x4100060036, 0x8080604000,
		  "l6/41:04 p6/41:2 p6/41:3 p6/41:4" },
		{ "PASID IOTLB, page 4, IH", 0x4100060036, 0x8080604040, "l6/41:04" },
		{ "PASID IOTLB, page 7", 0x4100060036, 0x8080607000, "p6/41:2 p6/41:3 p6/41:4" },
		{ "PASID IOTLB, page 7, IH", 0x4100060036, 0x8080607040, "" },
		{ "PASID IOTLB, 64 KiB (AM 4), IH", 0x4100060036, 0x8080600044,
		  "l6/41:04 l6/41:05" },
		{ "PASID IOTLB, page 4 of a nested PASID", 0x4200070036, 0x8080604000, "l7/42:04" },
		/* type 7 */
		{ "PASID cache, all of domain 6", 0x60007, 0, "e6/41 e6/43" },
		{ "PASID cache, 41h of domain 6", 0x4100060017, 0, "e6/41" },
		{ "PASID cache, 41h of domain 5", 0x4100050017, 0, "" },
		{ "PASID cache, 41h of domain 10: another device's", 0x41000a0017, 0, "e10/41" },
		{ "PASID cache, global", 0x37, 0, "e10/41 e5/0 e6/41 e6/43 e7/42 e8/0 e9/0" },
		/* types 3 and 8: after the IOTLB, which they leave */
		{ "device TLB, page 4", 0x1200000003, 0x8080604000, "a12:04" },
		{ "device TLB, 2 MiB", 0x1200000003, 0x80806ff001, "a12:04 a12:05" },
		{ "device TLB, everything", 0x1200000003, 0x7ffffffffffff001, "a12:04 a12:05" },
		{ "device TLB, another device", 0x1000000003, 0x7ffffffffffff001, "" },
		{ "PASID device TLB, page 4", 0x4100120008, 0x8080604000, "a12/41:04" },
		{ "PASID device TLB, 8 KiB", 0x4100120008, 0x8080604800, "a12/41:04 a12/41:05" },
		{ "PASID device TLB, page 5 of all PASIDs", 0x4200120008, 0x8080605001,
		  "a12/41:05" },
		{ "PASID device TLB, another PASID", 0x4200120008, 0x8080604000, "" },
		/* type 4, type 5 */
		{ "interrupt entry cache", 0x4, 0, "" },
		{ "wait", 0x200000025, 0x50000, "" },
	};
	return cr_make_param_array(struct row, rows, sizeof rows / sizeof rows[0]);
}

ParameterizedTest(struct row *row, vtd_scope, a_command_takes_what_it_must_and_no_more)
{
	struct native_command command = { .words = { row->low, row->high } };
	struct inval_report report;
	struct holdings before;
	struct err err = { 0 };
	struct unit u;

	open_unit(&u, true, IH0_RANGE);
	list(&u, &before);
	cr_assert(vtd_model.execute(u.iommu, 1, &command, &report, &err) == 0, "%s: %s", row->what,
		  err.text);
	expect_gone(&u, &before, row->what, row->gone);
	close_unit(&u);
}

/* Everything but configuration and device TLBs. */
Test(vtd_scope, a_global_iotlb_invalidation_takes_all_translations_and_pointers)
{
	struct native_command command = { .words = { 0xd2 } };
	struct inval_report report;
	struct holdings after;
	struct unit u;

	open_unit(&u, true, IH0_RANGE);
	cr_assert(vtd_model.execute(u.iommu, 1, &command, &report, NULL) == 0);
	list(&u, &after);
	for (unsigned i = 0; i < after.n; i++)
		cr_expect(strchr("ace", after.names[i][0]), "%s", after.names[i]);
	cr_expect_eq(after.n, 3u + 7 + 4);
	close_unit(&u);
}

/* vtd.ih0_scope=domain: what the E7 v2 datasheet says. */
Test(vtd_scope, without_the_hint_all_pointers_of_the_domain_may_go)
{
	struct native_command command = { .words = { 0x500f2, 0x80c0000012 } };
	struct inval_report report;
	struct holdings before;
	struct unit u;

	open_unit(&u, true, IH0_DOMAIN);
	list(&u, &before);
	cr_assert(vtd_model.execute(u.iommu, 1, &command, &report, NULL) == 0);
	expect_gone(&u, &before, "the next 1 GiB", "p5:2 p5:3 p5:4");
	close_unit(&u);
}

/* ---- legacy mode, and registers ------------------------------------------------------------------- */

ParameterizedTestParameters(vtd_scope, legacy_mode)
{
	static struct row rows[] = {
		{ "context cache, global", 0x11, 0, CONTEXTS },
		{ "context cache, domain 6", 0x60021, 0, "c11 c12" },
		{ "context cache, device 11h", 0x1100060031, 0, "c11" },
		{ "IOTLB, domain 6", 0x600e2, 0, "l6:04 l6:05 p6:2 p6:3 p6:4" },
		{ "IOTLB, page 5 of domain 6, IH", 0x600f2, 0x8080605040, "l6:05" },
		{ "device TLB, page 4", 0x1200000003, 0x8080604000, "a12:04" },
	};
	return cr_make_param_array(struct row, rows, sizeof rows / sizeof rows[0]);
}

ParameterizedTest(struct row *row, vtd_scope, legacy_mode)
{
	struct native_command command = { .words = { row->low, row->high } };
	struct inval_report report;
	struct holdings before;
	struct unit u;

	open_unit(&u, false, IH0_RANGE);
	list(&u, &before);
	cr_assert(vtd_model.execute(u.iommu, 1, &command, &report, NULL) == 0);
	expect_gone(&u, &before, row->what, row->gone);
	close_unit(&u);
}

enum { CCMD = 0x28, IVA = 0x100, IOTLB = 0x108 };

struct register_row {
	char what[72];
	uint64_t iva, offset, value;
	char gone[320];
};

ParameterizedTestParameters(vtd_scope, registers_take_the_same)
{
	static struct register_row rows[] = {
		{ "CCMD, global", 0, CCMD, 1ull << 63 | 1ull << 61, CONTEXTS },
		{ "CCMD, domain 6", 0, CCMD, 1ull << 63 | 2ull << 61 | 6, "c11 c12" },
		{ "CCMD, device 10h", 0, CCMD, 1ull << 63 | 3ull << 61 | 0x100005, "c10" },
		{ "CCMD, device 11h, FM 3", 0, CCMD,
		  1ull << 63 | 3ull << 61 | 3ull << 32 | 0x110006, CONTEXTS },
		{ "IOTLB, global", 0, IOTLB, 1ull << 63 | 1ull << 60,
		  "l5:04 l5:05 l6:04 l6:05 p5:2 p5:3 p5:4 p6:2 p6:3 p6:4" },
		{ "IOTLB, granularity 0: ignored", 0, IOTLB, 1ull << 63, "" },
		{ "IOTLB, domain 5", 0, IOTLB, 1ull << 63 | 2ull << 60 | 5ull << 32, SECOND_5 },
		{ "IOTLB, page 4 of domain 5", 0x8080604000, IOTLB,
		  1ull << 63 | 3ull << 60 | 5ull << 32, "l5:04 p5:2 p5:3 p5:4" },
		{ "IOTLB, page 4 of domain 5, IH", 0x8080604040, IOTLB,
		  1ull << 63 | 3ull << 60 | 5ull << 32, "l5:04" },
	};
	return cr_make_param_array(struct register_row, rows, sizeof rows / sizeof rows[0]);
}

ParameterizedTest(struct register_row *row, vtd_scope, registers_take_the_same)
{
	struct holdings before;
	uint64_t value = 0;
	struct unit u;

	open_unit(&u, false, IH0_RANGE);
	list(&u, &before);
	vtd_model.reg_write(u.iommu, 1, IVA, row->iva, 8);
	vtd_model.reg_write(u.iommu, 1, row->offset, row->value, 8);
	cr_assert(vtd_model.reg_read(u.iommu, row->offset, 8, &value));
	cr_expect_eq(value >> 63, 0u, "%s: done", row->what);
	cr_expect_eq(value >> (row->offset == CCMD ? 59 : 57) & 3,
		     row->value >> (row->offset == CCMD ? 61 : 60) & 3, "%s: granularity",
		     row->what);
	expect_gone(&u, &before, row->what, row->gone);
	close_unit(&u);
}
