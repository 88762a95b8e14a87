/*
 * QEMU's log of its emulated VT-d unit: vtd_* trace events.
 *
 * A translation is told in two lines of one thread: first whether QEMU's own IOTLB had it
 * (vtd_iotlb_page_hit) or the tables were walked (vtd_iotlb_page_update), with the requester,
 * the exact address and the domain; then the answer (vtd_dmar_translate).
 */
#include "traces/import_qemu.h"

enum {
	/* Registers of interest, specification 11.4 */
	FSTS_REG = 0x34,
	FECTL_REG = 0x38,
	FRCD_REG = 0x220,
	FRCD_LAST = 0x22f,
};

static void fill_answer(struct host_record *record, const struct vtd_page *page)
{
	record->sid = page->sid;
	record->space = page->space;
	record->space_known = true;
	record->walk = page->walk;
	record->perm = (uint8_t)(page->leaf & 3);
	record->line = page->line;
	record->iova = page->iova;
}

/* Context entries of scalable mode name no domain: where the tables of a walk are is news. */
static bool tell_context(struct qemu *qemu, const struct qemu_line *event,
			 const struct vtd_page *page, struct host_record *record)
{
	if (!qemu->scalable || !page->walk || qemu->spaces[page->sid] == page->space)
		return false;
	qemu->spaces[page->sid] = page->space;
	qemu_begin(event, record);
	record->kind = HOST_CONTEXT;
	record->sid = page->sid;
	record->space = page->space;
	return true;
}

/* "IOTLB page hit sid 0x200 iova 0xfffff9d0 slpte 0x118d11003 domain 0x7" */
static enum parsed parse_page(struct qemu *qemu, struct qemu_line *event, bool walk,
			      struct host_record *record)
{
	struct vtd_page *page = &qemu_thread_of(qemu, event->tid)->vtd;
	struct scan *text = &event->text;
	struct host_record answer;
	uint64_t sid, did;

	page->pending = false;
	if (qemu->options.walks_only && !walk)
		return PARSED_NOTHING;
	if (!scan_literal(text, walk ? "IOTLB page update" : "IOTLB page hit") ||
	    !scan_literal_hex(text, " sid 0x", &sid) || sid > 0xffff ||
	    !scan_literal_hex(text, " iova 0x", &page->iova) ||
	    !scan_literal_hex(text, " slpte 0x", &page->leaf) ||
	    !scan_literal_hex(text, " domain 0x", &did) || did > 0xffff || !scan_at_end(text))
		return PARSED_BAD;
	page->line = event->line->number;
	page->sid = (uint16_t)sid;
	page->space = (int32_t)did;
	page->walk = walk;
	page->pending = true;
	qemu->pages++;
	if (!qemu->options.answers_by_page)
		return tell_context(qemu, event, page, record) ? PARSED_RECORD : PARSED_NOTHING;
	qemu_begin(event, &answer);
	answer.kind = HOST_ANSWER;
	fill_answer(&answer, page);
	/* The leaf's level is not told: a 4 KiB page is the least it can be. */
	answer.pa = (page->leaf & 0x000ffffffffff000ull) | (page->iova & 0xfff);
	if (tell_context(qemu, event, page, record))
		qemu->waiting[qemu->waits++] = answer;
	else
		*record = answer;
	return PARSED_RECORD;
}

/* "dev 02:00.00 iova 0xfffff000 -> gpa 0x118d11000 mask 0xfff", functions as two hex digits */
static enum parsed parse_translate(struct qemu *qemu, struct qemu_line *event,
				   struct host_record *record)
{
	struct vtd_page *page = &qemu_thread_of(qemu, event->tid)->vtd;
	struct scan *text = &event->text;
	uint64_t bus, slot, function, iova, gpa, mask, sid;

	if (qemu->options.walks_only && !page->pending)
		return PARSED_NOTHING;
	if (!scan_literal_hex(text, "dev ", &bus) || bus > 0xff ||
	    !scan_literal_hex(text, ":", &slot) || slot > 0x1f ||
	    !scan_literal_hex(text, ".", &function) || function > 7 ||
	    !scan_literal_hex(text, " iova 0x", &iova) ||
	    !scan_literal_hex(text, " -> gpa 0x", &gpa) ||
	    !scan_literal_hex(text, " mask 0x", &mask) || !scan_at_end(text))
		return PARSED_BAD;
	sid = bus << 8 | slot << 3 | function;
	record->kind = HOST_ANSWER;
	record->sid = (uint16_t)sid;
	record->iova = iova;
	record->line = event->line->number;
	/* The requester here is the device, in the line before it may be a bridge's alias. */
	if (page->pending && ((page->iova ^ iova) & ~(mask | 0xfff)) == 0)
		fill_answer(record, page);
	page->pending = false;
	record->pa = (gpa & ~mask) | (record->iova & mask);
	return PARSED_RECORD;
}

/* "sid 0x50 fault 6 addr 0x10000000 write 0" */
static enum parsed parse_fault(struct scan *text, struct host_record *record)
{
	uint64_t sid, code, write;

	if (!scan_literal_hex(text, "sid 0x", &sid) || sid > 0xffff ||
	    !scan_literal_decimal(text, " fault ", &code) || code > 0xffff ||
	    !scan_literal_hex(text, " addr 0x", &record->iova) ||
	    !scan_literal_decimal(text, " write ", &write) || !scan_at_end(text))
		return PARSED_BAD;
	record->kind = HOST_FAULT;
	record->directed = true;
	record->sid = (uint16_t)sid;
	record->code = (uint32_t)code;
	record->write = write != 0;
	return PARSED_RECORD;
}

/* "IOTLB context hit bus 0x2 devfn 0x0 high 0x701 low 0x101b1e001 gen 1" */
static enum parsed parse_context(const struct qemu *qemu, struct scan *text, bool update,
				 struct host_record *record)
{
	uint64_t bus, devfn;

	if (!scan_literal(text, update ? "IOTLB context update" : "IOTLB context hit") ||
	    !scan_literal_hex(text, " bus 0x", &bus) || bus > 0xff ||
	    !scan_literal_hex(text, " devfn 0x", &devfn) || devfn > 0xff ||
	    !scan_literal_hex(text, " high 0x", &record->high) ||
	    !scan_literal_hex(text, " low 0x", &record->low))
		return PARSED_BAD;
	/* In scalable mode the upper word holds RID_PASID, mostly 0, which has no width. */
	if (qemu->scalable || !(record->high & 7))
		return PARSED_NOTHING;
	record->kind = HOST_CONTEXT;
	record->sid = (uint16_t)(bus << 8 | devfn);
	record->space = record->high >> 8 & 0xffff; /* context entry bits 87:72 */
	record->entry = true;
	return PARSED_RECORD;
}

/* "invalidate desc type iotlb high 0xffff8000 low 0x900f2" */
static enum parsed parse_command(struct scan *text, struct host_record *record)
{
	if (!scan_literal(text, "invalidate desc type "))
		return PARSED_BAD;
	/* The type's name, of one word or two, says less than the low quadword. */
	while (text->at < text->end && *text->at != ' ')
		text->at++;
	while (scan_left(text) > 7 && memcmp(text->at, " high 0x", 8) != 0)
		text->at++;
	if (!scan_literal_hex(text, " high 0x", &record->high) ||
	    !scan_literal_hex(text, " low 0x", &record->low) || !scan_at_end(text))
		return PARSED_BAD;
	record->kind = HOST_COMMAND;
	return (record->low & 0xf) == 5 ? PARSED_NOTHING
					: PARSED_RECORD; /* a wait tells of itself */
}

/* "addr 0x34 size 0x4 value 0x83" */
static enum parsed parse_register(struct scan *text, struct host_record *record)
{
	uint64_t size;

	if (!scan_literal_hex(text, "addr 0x", &record->offset) ||
	    !scan_literal_hex(text, " size 0x", &size) || (size != 4 && size != 8) ||
	    !scan_literal_hex(text, " value 0x", &record->value) || !scan_at_end(text))
		return PARSED_BAD;
	record->kind = HOST_REGISTER;
	record->size = (uint8_t)size;
	if (record->offset == FSTS_REG || record->offset == FECTL_REG ||
	    (record->offset >= FRCD_REG && record->offset <= FRCD_LAST))
		return PARSED_RECORD;
	return PARSED_NOTHING;
}

/* "addr 0x0 size 0x4": what follows a SYNC mark. */
static enum parsed parse_read(struct scan *text, struct host_record *record)
{
	uint64_t size;

	if (!scan_literal_hex(text, "addr 0x", &record->offset) ||
	    !scan_literal_hex(text, " size 0x", &size) || !scan_at_end(text))
		return PARSED_BAD;
	record->kind = HOST_READ;
	return record->offset == 0 && size == 4 ? PARSED_RECORD : PARSED_NOTHING;
}

/* "index 0 high 0x40ffff0600000050 low 0x10000000": fault record, specification 11.4.7.6 */
static enum parsed parse_frr(struct scan *text, struct host_record *record)
{
	uint64_t index;

	if (!scan_literal_decimal(text, "index ", &index) ||
	    !scan_literal_hex(text, " high 0x", &record->high) ||
	    !scan_literal_hex(text, " low 0x", &record->low) || !scan_at_end(text))
		return PARSED_BAD;
	record->kind = HOST_FRR;
	record->directed = true;
	record->sid = (uint16_t)record->high;
	record->code = (uint32_t)(record->high >> 32 & 0xff);
	record->write = !(record->high >> 62 & 1);
	record->iova = record->low & ~0xfffull;
	return PARSED_RECORD;
}

/* "addr 0x101047000 scalable 0" */
static enum parsed parse_root(struct qemu *qemu, struct scan *text)
{
	uint64_t root, scalable;

	if (!scan_literal_hex(text, "addr 0x", &root) ||
	    !scan_literal_decimal(text, " scalable ", &scalable) || scalable > 1)
		return PARSED_BAD;
	qemu->scalable = scalable;
	return PARSED_NOTHING;
}

/* ---- typed lines ----------------------------------------------------------------------- */

/* The number behind a word of the text; false: the word is not there. */
static bool typed_field(struct scan text, const char *word, uint64_t max, uint64_t *value)
{
	return scan_seek(&text, word) && scan_hex(&text, value) && *value <= max;
}

/*
 * Where vtd_inv_desc was not recorded, the lines that QEMU writes for each type of command stand in. They
 * do not tell everything: drains are taken as asked for, the hint (IH) as not given.
 */
static enum parsed parse_typed(struct qemu_line *event, struct host_record *record)
{
	enum { DID = 1, PASID = 2, ADDRESS = 4, SID = 8 };
	static const struct {
		const char *name;
		uint64_t low; /* of the descriptor */
		unsigned holds;
	} lines[] = {
		{ "vtd_inv_desc_iotlb_global", 0xd2, 0 },
		{ "vtd_inv_desc_iotlb_domain", 0xe2, DID },
		{ "vtd_inv_desc_iotlb_pages", 0xf2, DID | ADDRESS },
		{ "vtd_inv_desc_iotlb_pasid", 0x26, DID | PASID },
		{ "vtd_inv_desc_iotlb_pasid_pages", 0x36, DID | PASID | ADDRESS },
		{ "vtd_inv_desc_cc_global", 0x11, 0 },
		{ "vtd_inv_desc_cc_domain", 0x21, DID },
		{ "vtd_inv_desc_cc_devices", 0x31, SID },
		{ "vtd_inv_desc_pasid_cache_gsi", 0x37, 0 },
		{ "vtd_inv_desc_pasid_cache_dsi", 0x07, DID },
		{ "vtd_inv_desc_pasid_cache_psi", 0x17, DID | PASID },
		{ "vtd_pasid_cache_gsi", 0x37, 0 },
		{ "vtd_pasid_cache_dsi", 0x07, DID },
		{ "vtd_pasid_cache_psi", 0x17, DID | PASID },
	};
	uint64_t did = 0, pasid = 0, address = 0, order = 0, sid = 0, mask = 0;
	size_t i = 0;

	while (i < sizeof lines / sizeof lines[0] && !qemu_name_is(event, lines[i].name))
		i++;
	if (i == sizeof lines / sizeof lines[0])
		return PARSED_UNKNOWN;
	if ((lines[i].holds & DID && !typed_field(event->text, "domain 0x", 0xffff, &did)) ||
	    (lines[i].holds & PASID && !typed_field(event->text, "pasid 0x", 0xfffff, &pasid)) ||
	    (lines[i].holds & ADDRESS &&
	     (!typed_field(event->text, "addr 0x", UINT64_MAX, &address) ||
	      !typed_field(event->text, "mask 0x", 63, &order))) ||
	    (lines[i].holds & SID && (!typed_field(event->text, "sid 0x", 0xffff, &sid) ||
				      !typed_field(event->text, "fmask 0x", 3, &mask))))
		return PARSED_BAD;
	record->kind = HOST_COMMAND;
	record->low = lines[i].low | did << 16 | pasid << 32 | sid << 32 | mask << 48;
	record->high = (address & ~0xfffull) | order;
	return PARSED_RECORD;
}

/* By frequency. */
enum parsed qemu_vtd_line(struct qemu *qemu, struct qemu_line *event, struct host_record *record)
{
	struct scan *text = &event->text;

	if (qemu_name_is(event, "vtd_iotlb_page_hit"))
		return parse_page(qemu, event, false, record);
	if (qemu_name_is(event, "vtd_iotlb_page_update"))
		return parse_page(qemu, event, true, record);
	qemu_begin(event, record);
	if (qemu_name_is(event, "vtd_dmar_translate"))
		return parse_translate(qemu, event, record);
	if (qemu_name_is(event, "vtd_iotlb_cc_hit"))
		return parse_context(qemu, text, false, record);
	if (qemu_name_is(event, "vtd_dmar_fault"))
		return parse_fault(text, record);
	if (qemu_name_is(event, "vtd_inv_desc")) {
		qemu->commands++;
		return parse_command(text, record);
	}
	if (qemu_name_is(event, "vtd_inv_desc_wait_sw") ||
	    qemu_name_is(event, "vtd_inv_desc_wait_irq")) {
		record->kind = HOST_WAIT;
		return PARSED_RECORD;
	}
	if (qemu_name_is(event, "vtd_reg_write"))
		return parse_register(text, record);
	if (qemu_name_is(event, "vtd_reg_read"))
		return parse_read(text, record);
	if (qemu_name_is(event, "vtd_frr_new"))
		return parse_frr(text, record);
	if (qemu_name_is(event, "vtd_iotlb_cc_update"))
		return parse_context(qemu, text, true, record);
	if (qemu_name_is(event, "vtd_reg_dmar_root"))
		return parse_root(qemu, text);
	return qemu->options.typed_commands && !qemu->commands ? parse_typed(event, record)
							       : PARSED_UNKNOWN;
}
