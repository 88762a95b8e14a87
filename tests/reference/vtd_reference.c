/* The slow counterpart of hw/vtd; the contract is in vtd_reference.h. */
#include "tests/reference/vtd_reference_private.h"

#include <string.h>

/* Bits [high:low] of a word, as manuals write them. */
uint64_t field(uint64_t word, unsigned high, unsigned low)
{
	uint64_t value = 0;

	for (unsigned i = low; i <= high; i++)
		value |= ((word >> i) & 1) << (i - low);
	return value;
}

/* The address that bits [high:low] of a word hold, in place. */
uint64_t address_field(uint64_t word, unsigned high, unsigned low)
{
	return field(word, high, low) << low;
}

bool load(const struct reference_unit *unit, uint64_t address, uint64_t *word)
{
	if (address >= unit->limit)
		return false;
	*word = address < unit->held ? unit->words[address / 8] : 0;
	return true;
}

/* ---- capabilities ----------------------------------------------------------------------- */

bool width_supported(const struct reference_unit *unit, unsigned aw)
{
	return aw >= 1 && aw <= 3 && field(unit->cap, 12, 8) >> aw & 1;
}

unsigned max_guest_width(const struct reference_unit *unit)
{
	return (unsigned)field(unit->cap, 21, 16) + 1;
}

static bool superpage_supported(const struct reference_unit *unit, unsigned level)
{
	return (level == 2 && field(unit->cap, 34, 34)) || (level == 3 && field(unit->cap, 35, 35));
}

/* ---- root and context ------------------------------------------------------------------- */

struct context {
	uint64_t low, high;
	bool read; /* it could be read, so its FPD counts */
};

/* The fault of the tables that lead to a context, of the context itself, or 0. */
static unsigned find_context(const struct reference_unit *unit, uint16_t sid,
			     struct context *context)
{
	uint64_t at = address_field(unit->rtaddr, 63, 12) + (uint64_t)(sid >> 8) * 16;
	uint64_t low, high;

	if (!load(unit, at, &low) || !load(unit, at + 8, &high))
		return 0x8;
	if (!field(low, 0, 0))
		return 0x1;
	if (field(low, 11, 1) || field(low, 63, unit->haw) || high)
		return 0xa;
	at = address_field(low, unit->haw - 1, 12) + (uint64_t)(sid & 0xff) * 16;
	if (!load(unit, at, &context->low) || !load(unit, at + 8, &context->high))
		return 0x9;
	context->read = true;
	return 0;
}

static unsigned check_context(const struct reference_unit *unit, const struct context *context)
{
	uint64_t low = context->low, high = context->high;
	unsigned type = (unsigned)field(low, 3, 2);

	if (!field(low, 0, 0))
		return 0x2;
	if (field(low, 11, 4) || field(low, 63, unit->haw) || field(high, 7, 7) ||
	    field(high, 63, 24))
		return 0xb;
	if (!width_supported(unit, (unsigned)field(high, 2, 0)))
		return 0x3;
	if (type == 3 || (type == 1 && !field(unit->ecap, 2, 2)) ||
	    (type == 2 && !field(unit->ecap, 6, 6)))
		return 0x3;
	return 0;
}

/* ---- second stage ----------------------------------------------------------------------- */

bool second_is_leaf(uint64_t entry, unsigned level)
{
	return level == 1 || field(entry, 7, 7);
}

bool second_reserved(const struct reference_unit *unit, uint64_t entry, unsigned level)
{
	bool leaf = second_is_leaf(entry, level);

	if (field(entry, 62, 62) || field(entry, 51, unit->haw))
		return true;
	if (!leaf)
		return field(entry, 11, 11);
	if (level > 1 && !superpage_supported(unit, level))
		return true;
	if (level > 1 && field(entry, 12 + 9 * (level - 1) - 1, 12))
		return true;
	return field(entry, 11, 11) && !field(unit->ecap, 7, 7);
}

static bool granted(const struct reference_unit *unit, const struct reference_request *request,
		    const struct reference_answer *answer)
{
	if (request->type == REFERENCE_TRANSLATION)
		return answer->read || answer->write;
	/* CAP.ZLR: a read of no bytes needs no right to read where writing is allowed. */
	if (!request->bytes && !request->write && answer->write && field(unit->cap, 22, 22))
		return true;
	return (!request->read || answer->read) && (!request->write || answer->write);
}

static unsigned denied(const struct reference_request *request,
		       const struct reference_answer *answer)
{
	return request->write && !answer->write ? 0x5 : 0x6;
}

bool interrupt_range(uint64_t address)
{
	return address >= 0xfee00000 && address <= 0xfeefffff;
}

/* From the top table to the leaf; the fault or 0. */
static unsigned second_stage(const struct reference_unit *unit, const struct context *context,
			     const struct reference_request *request,
			     struct reference_answer *answer)
{
	unsigned top = (unsigned)field(context->high, 2, 0) + 2;
	uint64_t table = address_field(context->low, unit->haw - 1, 12), entry;

	answer->read = answer->write = true;
	for (unsigned level = top;; level--) {
		unsigned shift = 12 + 9 * (level - 1);

		if (!load(unit, table + field(request->address, shift + 8, shift) * 8, &entry))
			return level == top ? 0x3 : 0x7;
		if (!field(entry, 1, 0)) {
			answer->read = answer->write = false;
			return denied(request, answer);
		}
		if (second_reserved(unit, entry, level))
			return 0xc;
		answer->read &= field(entry, 0, 0);
		answer->write &= field(entry, 1, 1);
		if (second_is_leaf(entry, level)) {
			answer->page_bytes = 1ull << shift;
			answer->pa = address_field(entry, unit->haw - 1, shift) |
				     (request->address & (answer->page_bytes - 1));
			answer->snoop = field(entry, 11, 11);
			break;
		}
		table = address_field(entry, unit->haw - 1, 12);
	}
	if (!granted(unit, request, answer) || (!answer->read && !answer->write))
		return denied(request, answer);
	return interrupt_range(answer->pa) ? 0xe : 0;
}

/* ---- answers ------------------------------------------------------------------------------ */

void pass_unchanged(const struct reference_request *request, struct reference_answer *answer)
{
	answer->pa = request->address;
	answer->page_bytes = 4096;
	answer->read = answer->write = true;
}

/* Not present, or not allowed: for a translation request no fault, but an answer without rights. */
static bool nothing_to_grant(unsigned fault)
{
	static const uint8_t codes[] = { 0x4,  0x5,  0x6,  0x71, 0x79, 0x80,
					 0x81, 0x82, 0x83, 0x84, 0x85, 0x86 };

	return memchr(codes, (int)fault, sizeof codes) != NULL;
}

static enum reference_completion completion_of(const struct reference_request *request,
					       unsigned fault)
{
	/* not present above the paging tables, or a kind of request that is blocked */
	static const uint8_t unsupported[] = { 0x1,  0x2,  0xd,	 0x39, 0x41, 0x44,
					       0x45, 0x46, 0x51, 0x59, 0x5c, 0x5d };

	if (request->type != REFERENCE_TRANSLATION)
		return request->write && !request->read ? COMPLETION_DROPPED
							: COMPLETION_UNSUPPORTED;
	return memchr(unsupported, (int)fault, sizeof unsupported) ? COMPLETION_UNSUPPORTED
								   : COMPLETION_ABORT;
}

/* The words of the record of a fault; attributes of a PASID are those of a request that has one. */
static void write_record(const struct reference_request *request, unsigned fault,
			 struct reference_answer *answer)
{
	bool atomic = request->type == REFERENCE_UNTRANSLATED && request->read && request->write;
	uint64_t high = 1ull << 63;

	if (!request->write || atomic)
		high |= 1ull << 62; /* T1 */
	if (atomic)
		high |= 1ull << 28; /* T2 */
	high |= (uint64_t)request->type << 60 | (uint64_t)fault << 32 | request->sid;
	if (request->pasid != REFERENCE_NO_PASID)
		high |= (uint64_t)request->pasid << 40 | 1ull << 31 |
			(uint64_t)request->execute << 30 | (uint64_t)request->privileged << 29;
	answer->recorded = true;
	answer->record[0] = address_field(request->address, 63, 12);
	answer->record[1] = high;
}

void finish(const struct reference_request *request, unsigned fault, bool hidden,
	    struct reference_answer *answer)
{
	bool completion = request->type == REFERENCE_TRANSLATION;

	if (!fault && completion) {
		answer->write &= request->write;
		if (!answer->read && !answer->write)
			memset(answer, 0, sizeof *answer);
	}
	if (!fault)
		return;
	memset(answer, 0, sizeof *answer);
	answer->fault = fault;
	if (completion && nothing_to_grant(fault))
		return;
	answer->result = REFERENCE_FAULT;
	answer->completion = completion_of(request, fault);
	if (!hidden)
		write_record(request, fault, answer);
}

/* ---- legacy mode -------------------------------------------------------------------------- */

static unsigned translate(const struct reference_unit *unit, const struct context *context,
			  const struct reference_request *request, struct reference_answer *answer)
{
	unsigned width = 30 + 9 * (unsigned)field(context->high, 2, 0);
	unsigned type = (unsigned)field(context->low, 3, 2);

	if (request->type != REFERENCE_UNTRANSLATED && type != 1)
		return 0xd;
	if (request->type == REFERENCE_TRANSLATED) {
		pass_unchanged(request, answer);
		return 0;
	}
	if (width > max_guest_width(unit))
		width = max_guest_width(unit);
	if (type == 2)
		width = unit->haw;
	if (request->address >> width)
		return 0x4;
	if (type != 2)
		return second_stage(unit, context, request, answer);
	pass_unchanged(request, answer);
	return 0;
}

static void legacy_reference(const struct reference_unit *unit,
			     const struct reference_request *request,
			     struct reference_answer *answer)
{
	struct context context = { 0 };
	unsigned fault = find_context(unit, request->sid, &context);

	if (!fault)
		fault = check_context(unit, &context);
	if (!fault)
		fault = translate(unit, &context, request, answer);
	/* Faults before a context was read cannot be hidden by its FPD. */
	finish(request, fault, context.read && field(context.low, 1, 1), answer);
}

void vtd_reference(const struct reference_unit *unit, const struct reference_request *request,
		   struct reference_answer *answer)
{
	memset(answer, 0, sizeof *answer);
	if (request->type == REFERENCE_UNTRANSLATED && request->pasid == REFERENCE_NO_PASID &&
	    interrupt_range(request->address)) {
		answer->result = request->write ? REFERENCE_MESSAGE : REFERENCE_STOPPED;
		answer->completion = request->write ? COMPLETION_OK : COMPLETION_UNSUPPORTED;
		return;
	}
	if (field(unit->rtaddr, 11, 10) == 1)
		scalable_reference(unit, request, answer);
	else
		legacy_reference(unit, request, answer);
}
