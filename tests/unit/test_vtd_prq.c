/*
 * The page request queue of VT-d: entries and descriptors of the hardware sheet (4.6), what is
 * answered by hardware, PPR and overflow, faults of refused requests.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include "hw/vtd/vtd.h"
#include "sim/machine.h"

#define PAGE 0x8080604000ull
#define QUEUE 0x80000ull

enum { SID = 0x0010, PASID = 0x41, ENTRIES = 128 };
enum { FSTS = 0x34, FECTL = 0x38, IQER = 0xb0, PQH = 0xc0, PQT = 0xc8, PQA = 0xd0, PRS = 0xdc };
enum { PECTL = 0xe0, FRCD_HIGH = 0x228 };

struct unit {
	struct memory *memory;
	struct tables *tables;
	struct iommu_observer observer;
	struct iommu *iommu;
	uint32_t device;
	unsigned lost, acknowledged;
};

static void on_requested(void *self, const struct page_report *report)
{
	struct unit *u = self;

	u->lost += report->lost;
}

static void on_acknowledged(void *self)
{
	((struct unit *)self)->acknowledged++;
}

static void write_reg(struct unit *u, uint64_t offset, uint64_t value)
{
	cr_assert(vtd_model.reg_write(u->iommu, 0, offset, value, 8));
}

static uint64_t read_reg(struct unit *u, uint64_t offset)
{
	uint64_t value = 0;

	cr_assert(vtd_model.reg_read(u->iommu, offset, offset == FRCD_HIGH ? 8 : 4, &value));
	return value;
}

/* Scalable mode, PASID 41h with a first stage; context: its low word's flags. */
static void open_unit(struct unit *u, uint64_t mode, uint64_t context)
{
	const uint64_t words[][2] = { { 0x1000, 0x2001 }, { 0x2200, 0x3001 | context },
				      { 0x3000, 0x4001 }, { 0x3008, 0x5001 },
				      { 0x5040, 0x41 },	  { 0x5048, 6 },
				      { 0x5050, 0x20000 } };
	struct machine *machine;

	*u = (struct unit){ .observer = iommu_observer_silent };
	u->observer.self = u;
	u->observer.page_requested = on_requested;
	u->observer.pages_acknowledged = on_acknowledged;
	cr_assert(memory_create(1ull << 40, &u->memory, NULL) == 0);
	cr_assert(tables_create(u->memory, &u->tables, NULL) == 0);
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		cr_assert(tables_store(u->tables, words[i][0], 1, words[i][1], 0, NULL) == 0);
	cr_assert(machine_create("vtd", &machine, NULL) == 0);
	cr_assert(vtd_model.create(machine->model_config, 1, u->tables, &u->observer, &u->iommu,
				   NULL) == 0);
	cr_assert(vtd_model.add_device(u->iommu, SID, &machine->device.tlb, &u->device, NULL) == 0);
	machine_destroy(machine);
	write_reg(u, 0x20, 0x1000 | mode << 10);
	write_reg(u, 0x18, 1u << 30);
	write_reg(u, 0x18, 1u << 31);
	write_reg(u, PQA, QUEUE);
}

static void close_unit(struct unit *u)
{
	vtd_model.destroy(u->iommu);
	tables_destroy(u->tables);
	memory_destroy(u->memory);
}

enum { PASIDE = 1 << 3, PRE = 1 << 4 };

static void open_usual(struct unit *u)
{
	open_unit(u, 1, PASIDE | PRE);
}

static enum page_fate ask(struct unit *u, uint16_t group, bool last)
{
	struct page_request request = { .iova = PAGE,
					.device = u->device,
					.pasid = PASID,
					.group = group,
					.last = last,
					.read = true,
					.write = true };

	return vtd_model.pages->request(u->iommu, 1, &request);
}

static uint64_t word(struct unit *u, pa_t pa)
{
	uint64_t value = 0;

	cr_assert(memory_read(u->memory, pa, &value));
	return value;
}

Test(vtd_prq, an_entry_is_what_the_sheet_says)
{
	struct unit u;

	open_usual(&u);
	cr_expect_eq(ask(&u, 3, true), PAGE_QUEUED);
	cr_expect_eq(word(&u, QUEUE), 0x0000004100100101);
	cr_expect_eq(word(&u, QUEUE + 8), 0x000000808060401f);
	cr_expect_eq(read_reg(&u, PQT), 32);
	close_unit(&u);
}

Test(vtd_prq, private_data_goes_into_words_2_and_3)
{
	struct page_request request = { .iova = PAGE,
					.pasid = NO_PASID,
					.group = 1,
					.read = true,
					.private_data = true,
					.data = { 0x1111, 0x2222 } },
			    found;
	struct unit u;

	open_usual(&u);
	request.device = u.device;
	/* without a PASID it is RID_PASID's entry that counts: PASID 0 has none here */
	cr_expect_eq(vtd_model.pages->request(u.iommu, 1, &request), PAGE_AUTO_FAILURE);
	request.pasid = PASID;
	cr_assert_eq(vtd_model.pages->request(u.iommu, 1, &request), PAGE_QUEUED);
	cr_expect_eq(word(&u, QUEUE), 0x0000004100100301);
	cr_expect_eq(word(&u, QUEUE + 16), 0x1111);
	cr_expect_eq(word(&u, QUEUE + 24), 0x2222);
	cr_assert_eq(vtd_model.pages->read(u.iommu, 1, &found, 1), 1);
	cr_expect(found.private_data && found.data[1] == 0x2222 && found.device == u.device);
	close_unit(&u);
}

struct response_case {
	enum page_code code;
	uint64_t low;
};

ParameterizedTestParameters(vtd_prq, a_response_is_what_the_sheet_says)
{
	static struct response_case cases[] = { { PAGE_SUCCESS, 0x0000004100100019 },
						{ PAGE_INVALID, 0x0000004100101019 },
						{ PAGE_FAILURE, 0x000000410010f019 } };

	return cr_make_param_array(struct response_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct response_case *c, vtd_prq, a_response_is_what_the_sheet_says)
{
	struct page_response response, found;
	struct native_command command;
	struct inval_report report;
	struct unit u;

	open_usual(&u);
	response = (struct page_response){ u.device, PASID, 3, c->code };
	vtd_model.pages->encode(u.iommu, &response, &command);
	cr_expect_eq(command.words[0], c->low, "0x%llx", (unsigned long long)command.words[0]);
	cr_expect_eq(command.words[1], 0x1c);
	cr_expect_eq(vtd_model.execute(u.iommu, 1, &command, &report, NULL), 0);
	cr_expect(vtd_model.pages->decode(u.iommu, &command, &found));
	cr_expect(found.pasid == PASID && found.group == 3 && found.code == c->code);
	close_unit(&u);
}

Test(vtd_prq, an_overflow_answers_the_last_and_forgets_the_others)
{
	struct page_request found[ENTRIES];
	struct unit u;

	open_usual(&u);
	for (unsigned i = 0; i + 1 < ENTRIES; i++)
		cr_assert_eq(ask(&u, (uint16_t)i, true), PAGE_QUEUED);
	cr_expect_eq(read_reg(&u, PRS), 1, "pending, no overflow");
	cr_expect_eq(ask(&u, 200, false), PAGE_LOST);
	cr_expect_eq(ask(&u, 200, true), PAGE_AUTO_SUCCESS);
	cr_expect_eq(read_reg(&u, PRS), 3);
	cr_expect(read_reg(&u, FSTS) & 1u << 7);
	cr_expect_eq(u.lost, 2);
	/* room alone does not help: nothing is queued until the overflow is cleared */
	cr_assert_eq(vtd_model.pages->read(u.iommu, 1, found, ENTRIES), ENTRIES - 1);
	cr_expect(!vtd_model.pages->done(u.iommu, 1, 10), "some are left");
	cr_expect_eq(ask(&u, 201, true), PAGE_AUTO_SUCCESS);
	cr_expect(vtd_model.pages->done(u.iommu, 1, ENTRIES - 11), "the last clears it");
	cr_expect_eq(u.acknowledged, 1);
	cr_expect_eq(ask(&u, 202, true), PAGE_QUEUED);
	close_unit(&u);
}

Test(vtd_prq, a_lost_stop_marker_gets_nothing)
{
	struct page_request stop = { .pasid = PASID, .last = true };
	struct unit u;

	open_usual(&u);
	stop.device = u.device;
	for (unsigned i = 0; i + 1 < ENTRIES; i++)
		ask(&u, (uint16_t)i, true);
	cr_expect_eq(vtd_model.pages->request(u.iommu, 1, &stop), PAGE_LOST);
	close_unit(&u);
}

Test(vtd_prq, the_interrupt_comes_when_PPR_was_clear)
{
	struct page_request found[4];
	struct unit u;

	open_usual(&u);
	ask(&u, 1, true);
	cr_expect(u.iommu->page_interrupt);
	u.iommu->page_interrupt = false;
	ask(&u, 2, true);
	cr_expect(!u.iommu->page_interrupt, "PPR stood");
	vtd_model.pages->read(u.iommu, 1, found, 4);
	ask(&u, 3, true);
	cr_expect(u.iommu->page_interrupt);
	close_unit(&u);
}

Test(vtd_prq, a_masked_interrupt_is_sent_when_it_is_unmasked)
{
	struct unit u;

	open_usual(&u);
	write_reg(&u, PECTL, 1u << 31);
	ask(&u, 1, true);
	cr_expect(!u.iommu->page_interrupt);
	cr_expect_eq(read_reg(&u, PECTL), 3u << 30, "masked and pending");
	write_reg(&u, PECTL, 0);
	cr_expect(u.iommu->page_interrupt);
	cr_expect_eq(read_reg(&u, PECTL), 0);
	close_unit(&u);
}

struct refusal_case {
	char name[40];
	uint64_t mode, context;
	uint32_t pasid;
	enum page_fate fate;
	uint16_t reason;
};

ParameterizedTestParameters(vtd_prq, a_refused_request_is_answered_and_recorded)
{
	static struct refusal_case cases[] = {
		{ "legacy mode", 0, 0, NO_PASID, PAGE_AUTO_FAILURE, 0x32 },
		{ "PRE=0", 1, PASIDE, PASID, PAGE_AUTO_INVALID, 0x47 },
		{ "PASIDE=0", 1, PRE, PASID, PAGE_AUTO_INVALID, 0x45 },
		{ "PASID beyond the directory", 1, PASIDE | PRE, 0x2000, PAGE_AUTO_INVALID, 0x46 },
		{ "no PASID table", 1, PASIDE | PRE, 0x81, PAGE_AUTO_FAILURE, 0x51 },
		{ "no PASID entry", 1, PASIDE | PRE, 0x42, PAGE_AUTO_FAILURE, 0x59 },
	};

	return cr_make_param_array(struct refusal_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct refusal_case *c, vtd_prq, a_refused_request_is_answered_and_recorded)
{
	struct page_request request = {
		.iova = PAGE, .pasid = c->pasid, .last = true, .read = true
	};
	uint64_t record;
	struct unit u;

	open_unit(&u, c->mode, c->context);
	request.device = u.device;
	cr_expect_eq(vtd_model.pages->request(u.iommu, 1, &request), c->fate, "%s", c->name);
	record = read_reg(&u, FRCD_HIGH);
	cr_expect_eq(bits(record, 39, 32), c->reason, "%s: reason 0x%llx", c->name,
		     (unsigned long long)bits(record, 39, 32));
	cr_expect(!bit(record, 62) && bit(record, 28), "%s: T1 T2 are 01, a page request", c->name);
	cr_expect_eq(read_reg(&u, PQT), 0, "%s", c->name);
	close_unit(&u);
}

Test(vtd_prq, a_device_that_does_not_answer_sets_ITE_and_its_source_id)
{
	struct unit u;
	uint64_t iqer;

	open_usual(&u);
	vtd_model.atc_timed_out(u.iommu, 1, u.device);
	cr_expect(read_reg(&u, FSTS) & 1u << 6);
	cr_assert(vtd_model.reg_read(u.iommu, IQER, 8, &iqer));
	cr_expect_eq(bits(iqer, 47, 32), SID);
	cr_expect(u.iommu->interrupt);
	write_reg(&u, FSTS, 1u << 6);
	cr_expect(!(read_reg(&u, FSTS) & 1u << 6));
	close_unit(&u);
}
