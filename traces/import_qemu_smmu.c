/*
 * QEMU's log of its emulated SMMUv3: smmu_* and smmuv3_* trace events, QEMU 7.2 to 11.
 *
 * An access is told in lines of one thread: its configuration (smmuv3_config_cache_*: the
 * stream), the TLB's look-up (smmu_iotlb_lookup_*: ASID and VMID, and the address, of which QEMU
 * 7.2 gives the page alone), the walk (smmu_ptw_*), then what came of it: smmuv3_translate_success
 * with the exact address, smmuv3_translate_bypass or _abort, or smmuv3_record_event, which names
 * the event and the stream. A record that reached the queue is followed by its interrupt.
 *
 * A command is told by its opcode and the lines behind it; a range may be told in several pieces.
 * Words of the command are made of them again: equal in meaning, not in every bit (NUM and SCALE).
 */
#include "traces/import_qemu.h"

#include <stdlib.h>

enum {
	/* Registers of interest, IHI 0070 6.2; QEMU prints those of page 1 with page 0's offsets. */
	CR0 = 0x20,
	IIDR = 0x18,
	GBPA = 0x44,
	IRQ_CTRL = 0x50,
	GERRORN = 0x64,
	EVENTQ_CONS = 0xac,
	EVENTQ_CONS_PAGE1 = 0x100ac,
	EVENTQ_ABT_ERR = 2,   /* bit of GERROR */
	SILENT_ABORT = 0x100, /* the model's code for an abort without an event */
	F_PERMISSION = 0x13,
};

/* ---- numbers ------------------------------------------------------------------------- */

/* " key=12" or " key=-1", which is an ASID or VMID that does not count. */
static bool scan_id(struct scan *scan, const char *key, int32_t *id)
{
	struct scan ahead = *scan;
	uint64_t number;

	if (!scan_literal(&ahead, key))
		return false;
	if (scan_literal(&ahead, "-1")) {
		*id = -1;
	} else {
		if (!scan_decimal(&ahead, &number) || number > 0xffff)
			return false;
		*id = (int32_t)number;
	}
	*scan = ahead;
	return true;
}

static bool scan_sid(struct scan *scan, const char *key, uint16_t *sid)
{
	uint64_t number;

	if (!scan_literal_hex(scan, key, &number) || number > 0xffff)
		return false;
	*sid = (uint16_t)number;
	return true;
}

/* " asid=1 vmid=0"; vmid= came with QEMU 8.1. Without an ASID it is a stage-2 translation. */
static bool scan_space(struct scan *scan, int32_t *space)
{
	int32_t asid, vmid = 0;

	if (!scan_id(scan, " asid=", &asid))
		return false;
	scan_id(scan, " vmid=", &vmid);
	if (asid < 0 && vmid < 0)
		return false;
	*space = asid >= 0 ? asid : SPACE_STAGE2 | vmid;
	return true;
}

/* Behind the region's name, which has no blanks: "smmuv3-iommu-memory-region-16-2 sid=0x10 ...". */
static bool scan_region(struct scan *scan, uint16_t *sid)
{
	while (scan->at < scan->end && *scan->at != ' ')
		scan->at++;
	return scan_sid(scan, " sid=0x", sid);
}

/* ---- accesses ------------------------------------------------------------------------ */

/* "Config cache HIT for sid=0x10 (hits=1, misses=1, hit rate=50)" */
static enum parsed parse_config(struct scan *text, struct smmu_access *access)
{
	*access = (struct smmu_access){ .space = SPACE_UNKNOWN };
	if (!scan_literal(text, "Config cache HIT for") &&
	    !scan_literal(text, "Config cache MISS for"))
		return PARSED_BAD;
	if (!scan_sid(text, " sid=0x", &access->sid))
		return PARSED_BAD;
	access->known = true;
	return PARSED_NOTHING;
}

/* Where this stream's requests are translated, if that is news. */
static enum parsed tell_context(struct qemu *qemu, const struct qemu_line *line, uint16_t sid,
				int32_t space, struct host_record *record)
{
	if (qemu->spaces[sid] == space)
		return PARSED_NOTHING;
	qemu->spaces[sid] = space;
	qemu_begin(line, record);
	record->kind = HOST_CONTEXT;
	record->sid = sid;
	record->space = space;
	return PARSED_RECORD;
}

/* "IOTLB cache HIT asid=1 vmid=0 addr=0xffffb002 hit=1 miss=1 hit rate=50" */
static enum parsed parse_lookup(struct qemu *qemu, struct qemu_line *line,
				struct smmu_access *access, bool hit, struct host_record *record)
{
	struct scan *text = &line->text;

	if (!scan_literal(text, hit ? "IOTLB cache HIT" : "IOTLB cache MISS") ||
	    !scan_space(text, &access->space) || !scan_literal_hex(text, " addr=0x", &access->iova))
		return PARSED_BAD;
	access->line = line->line->number;
	access->looked_up = true;
	access->hit = hit;
	return access->known ? tell_context(qemu, line, access->sid, access->space, record)
			     : PARSED_NOTHING;
}

/* "REGION sid=0x10 iova=0xffffb002 translated=0x464f4002 perm=0x3 stage=1" */
static enum parsed parse_success(struct qemu *qemu, struct qemu_line *line,
				 struct smmu_access *access, struct host_record *record)
{
	struct scan *text = &line->text;
	uint64_t perm;
	bool told = access->looked_up;

	if (!scan_region(text, &record->sid) ||
	    !scan_literal_hex(text, " iova=0x", &record->iova) ||
	    !scan_literal_hex(text, " translated=0x", &record->pa) ||
	    !scan_literal_hex(text, " perm=0x", &perm))
		return PARSED_BAD;
	record->kind = HOST_ANSWER;
	if (told && access->known && access->sid == record->sid &&
	    ((access->iova ^ record->iova) & ~0xfffull) == 0) {
		record->space = access->space;
		record->space_known = true;
		record->walk = !access->hit;
		record->perm = perm & 3;
		record->line = access->line;
	}
	access->looked_up = false;
	return qemu->options.walks_only && !record->walk ? PARSED_NOTHING : PARSED_RECORD;
}

/* "REGION sid=0x10 STE bypass iova:0xb98c7002 is_write=1", "... abort on iova:...",
 * "... bypass (smmu disabled) iova:..." */
static enum parsed parse_untranslated(struct qemu *qemu, struct qemu_line *line, const char *what,
				      int32_t space, struct host_record *record)
{
	struct scan *text = &line->text;
	struct host_record answer = *record;
	uint64_t write;

	if (!scan_region(text, &answer.sid) || !scan_literal_hex(text, what, &answer.iova) ||
	    !scan_literal_decimal(text, " is_write=", &write) || write > 1)
		return PARSED_BAD;
	answer.kind = space == NO_SPACE ? HOST_FAULT : HOST_ANSWER;
	answer.code = SILENT_ABORT;
	answer.pa = answer.iova;
	answer.directed = true;
	answer.write = write;
	if (space != SPACE_UNKNOWN &&
	    tell_context(qemu, line, answer.sid, space, record) == PARSED_RECORD)
		qemu->waiting[qemu->waits++] = answer;
	else
		*record = answer;
	return PARSED_RECORD;
}

/* ---- faults -------------------------------------------------------------------------- */

/* Event numbers (7.3) by QEMU's names, behind "SMMU_EVT_". */
static bool event_code(const char *name, size_t length, uint32_t *code)
{
	static const struct {
		const char *name;
		uint32_t code;
	} events[] = {
		{ "F_TRANSLATION", 0x10 },
		{ "F_PERMISSION", F_PERMISSION },
		{ "F_ADDR_SIZE", 0x11 },
		{ "F_ACCESS", 0x12 },
		{ "F_UUT", 0x01 },
		{ "C_BAD_STREAMID", 0x02 },
		{ "F_STE_FETCH", 0x03 },
		{ "C_BAD_STE", 0x04 },
		{ "F_BAD_ATS_TREQ", 0x05 },
		{ "F_STREAM_DISABLED", 0x06 },
		{ "F_TRANS_FORBIDDEN", 0x07 },
		{ "C_BAD_SUBSTREAMID", 0x08 },
		{ "F_CD_FETCH", 0x09 },
		{ "C_BAD_CD", 0x0a },
		{ "F_WALK_EABT", 0x0b },
		{ "F_TLB_CONFLICT", 0x20 },
		{ "F_CFG_CONFLICT", 0x21 },
	};

	for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
		if (strlen(events[i].name) == length && memcmp(events[i].name, name, length) == 0) {
			*code = events[i].code;
			return true;
		}
	}
	return false;
}

/* "SMMU_EVT_F_TRANSLATION sid=0x18": the address is the look-up's. */
static enum parsed parse_fault(struct qemu *qemu, struct qemu_line *line,
			       struct smmu_access *access, struct host_record *record)
{
	struct scan *text = &line->text;
	const char *name;

	scan_literal(text, "SMMU_EVT_");
	name = text->at;
	while (text->at < text->end && *text->at != ' ')
		text->at++;
	if (!event_code(name, (size_t)(text->at - name), &record->code) ||
	    !scan_sid(text, " sid=0x", &record->sid))
		return PARSED_BAD;
	record->kind = HOST_FAULT;
	if (access->known && access->sid == record->sid && access->looked_up) {
		record->iova = access->iova;
		record->space = access->space;
		record->space_known = true;
	}
	/* QEMU refuses reads of nothing that is mapped: what is refused for want of a right is a
	 * write. */
	record->directed = record->write = record->code == F_PERMISSION;
	access->looked_up = false;
	qemu->fault = *record;
	qemu->faulted = true;
	return PARSED_RECORD;
}

/* "irq=0": the record of the fault before it is in the queue. */
static enum parsed parse_interrupt(struct qemu *qemu, struct scan *text, struct host_record *record)
{
	struct host_record fault = qemu->fault;
	uint64_t irq;

	if (!scan_literal_decimal(text, "irq=", &irq))
		return PARSED_BAD;
	if (irq != 0 || !qemu->faulted)
		return PARSED_NOTHING;
	fault.time_ns = record->time_ns;
	fault.line = record->line;
	fault.kind = HOST_FRR;
	*record = fault;
	qemu->faulted = false;
	return PARSED_RECORD;
}

/* "toggled=0x4, new GERROR=0x4": QEMU's way to say that the event queue was full. */
static enum parsed parse_gerror(struct scan *text, struct host_record *record)
{
	uint64_t toggled, now;

	if (!scan_literal_hex(text, "toggled=0x", &toggled) ||
	    !scan_literal_hex(text, ", new GERROR=0x", &now))
		return PARSED_BAD;
	record->kind = HOST_OVERFLOW;
	return toggled >> EVENTQ_ABT_ERR & 1 ? PARSED_RECORD : PARSED_NOTHING;
}

/* ---- registers ----------------------------------------------------------------------- */

/* "addr: 0xac val:0x2 size: 0x4(0)" */
static enum parsed parse_register(struct scan *text, bool write, struct host_record *record)
{
	uint64_t size;

	if (!scan_literal_hex(text, "addr: 0x", &record->offset) ||
	    !scan_literal_hex(text, " val:0x", &record->value) ||
	    !scan_literal_hex(text, " size: 0x", &size) || (size != 4 && size != 8))
		return PARSED_BAD;
	record->size = (uint8_t)size;
	if (!write) {
		record->kind = HOST_READ;
		return record->offset == IIDR && size == 4 ? PARSED_RECORD : PARSED_NOTHING;
	}
	record->kind = HOST_REGISTER;
	if (record->offset == EVENTQ_CONS)
		record->offset = EVENTQ_CONS_PAGE1;
	switch (record->offset) {
	case CR0:
	case GBPA:
	case IRQ_CTRL:
	case GERRORN:
	case EVENTQ_CONS_PAGE1:
		return PARSED_RECORD;
	default:
		return PARSED_NOTHING;
	}
}

/* ---- commands ------------------------------------------------------------------------ */

enum { OP_SYNC = 0x46 };

/* Opcodes (4.1.1) by QEMU's names, behind "SMMU_CMD_". */
static bool opcode_of(const char *name, size_t length, uint64_t *opcode)
{
	static const struct {
		const char *name;
		uint8_t opcode;
	} commands[] = {
		{ "SYNC", OP_SYNC },	   { "TLBI_NH_VA", 0x12 },	{ "TLBI_NH_ASID", 0x11 },
		{ "TLBI_S2_IPA", 0x2a },   { "TLBI_S12_VMALL", 0x28 },	{ "TLBI_NH_ALL", 0x10 },
		{ "TLBI_NH_VAA", 0x13 },   { "TLBI_NSNH_ALL", 0x30 },	{ "TLBI_EL2_ALL", 0x20 },
		{ "TLBI_EL2_ASID", 0x21 }, { "TLBI_EL2_VA", 0x22 },	{ "TLBI_EL2_VAA", 0x23 },
		{ "CFGI_STE", 0x03 },	   { "CFGI_STE_RANGE", 0x04 },	{ "CFGI_CD", 0x05 },
		{ "CFGI_CD_ALL", 0x06 },   { "PREFETCH_CONFIG", 0x01 }, { "PREFETCH_ADDR", 0x02 },
		{ "ATC_INV", 0x40 },	   { "PRI_RESP", 0x41 },	{ "RESUME", 0x44 },
		{ "STALL_TERM", 0x45 },
	};

	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (strlen(commands[i].name) == length &&
		    memcmp(commands[i].name, name, length) == 0) {
			*opcode = commands[i].opcode;
			return true;
		}
	}
	return false;
}

/* "<--- SMMU_CMD_TLBI_NH_VA" */
static enum parsed parse_opcode(struct qemu *qemu, struct scan *text, struct host_record *record)
{
	const char *name;

	if (!scan_literal(text, "<--- SMMU_CMD_"))
		return PARSED_BAD;
	name = text->at;
	while (text->at < text->end && *text->at != ' ')
		text->at++;
	if (!opcode_of(name, (size_t)(text->at - name), &record->low))
		return PARSED_BAD;
	if (record->low == OP_SYNC) {
		record->kind = HOST_WAIT;
		return PARSED_RECORD;
	}
	record->kind = HOST_COMMAND;
	qemu->command = (struct smmu_command_lines){ .record = *record, .pending = true };
	return PARSED_NOTHING;
}

/* " vmid=0 asid=4 addr=0x10000000 tg=1 num_pages=0x200 ttl=2 leaf=1 stage=1" */
static enum parsed parse_range(struct smmu_command_lines *command, struct scan *text)
{
	uint64_t address, tg, pages, ttl, leaf, *low = &command->record.low;
	int32_t vmid, asid;

	if (!scan_id(text, "vmid=", &vmid) || !scan_id(text, " asid=", &asid) ||
	    !scan_literal_hex(text, " addr=0x", &address) ||
	    !scan_literal_decimal(text, " tg=", &tg) || tg > 3 ||
	    !scan_literal_hex(text, " num_pages=0x", &pages) || pages == 0 || pages >= 1ull << 40 ||
	    !scan_literal_decimal(text, " ttl=", &ttl) || ttl > 3 ||
	    !scan_literal_decimal(text, " leaf=", &leaf) || leaf > 1)
		return PARSED_BAD;
	if (!command->pending)
		return PARSED_NOTHING;
	command->pages += pages;
	if (command->ranged || command->pages >= 1ull << 40)
		return PARSED_NOTHING; /* a further piece of the range */
	command->ranged = true;
	*low |= (uint64_t)(vmid > 0 ? vmid : 0) << 32 | (uint64_t)(asid > 0 ? asid : 0) << 48;
	command->record.high = (address & ~0xfffull) | tg << 10 | ttl << 8 | leaf;
	return PARSED_NOTHING;
}

/* A field of the command: "asid=1", "vmid=1", "streamid= 0x10", "sid=0x10". */
static enum parsed parse_field(struct smmu_command_lines *command, struct scan *text)
{
	uint64_t *low = &command->record.low, first, last, size = 0;
	int32_t id;

	if (scan_id(text, "asid=", &id)) {
		*low |= (uint64_t)(id > 0 ? id : 0) << 48;
		scan_literal(text, " ");
	}
	if (scan_id(text, "vmid=", &id))
		*low |= (uint64_t)(id > 0 ? id : 0) << 32;
	if (scan_literal_hex(text, "streamid= 0x", &first) ||
	    scan_literal_hex(text, "sid=0x", &first)) {
		*low |= first << 32;
	} else if (scan_literal_hex(text, "start=0x", &first) &&
		   scan_literal_hex(text, " - end=0x", &last)) {
		while (size < 31 && last - first >= 2ull << size)
			size++;
		*low |= first << 32;
		command->record.high = size;
	}
	return scan_at_end(text) ? PARSED_NOTHING : PARSED_BAD;
}

/* (NUM + 1) << SCALE granules, 4.4.1.1 */
static void pack_range(struct host_record *record, uint64_t pages)
{
	uint64_t scale = 0;

	if (!(record->high >> 10 & 3))
		return; /* no granule: one page */
	while (scale < 31 && (pages > 32ull << scale || pages & ((1ull << scale) - 1)))
		scale++;
	while (scale > 0 && pages & ((1ull << scale) - 1) && pages <= 32ull << (scale - 1))
		scale--;
	pages = (pages + (1ull << scale) - 1) >> scale;
	record->low |= (pages > 32 ? 31 : pages - 1) << 12 | scale << 20;
}

static bool take_command(struct qemu *qemu, struct host_record *record)
{
	if (!qemu->command.pending)
		return false;
	qemu->command.pending = false;
	*record = qemu->command.record;
	if (qemu->command.ranged)
		pack_range(record, qemu->command.pages);
	return true;
}

bool qemu_smmu_end(struct qemu *qemu, struct host_record *record)
{
	return take_command(qemu, record);
}

/* ---- lines --------------------------------------------------------------------------- */

/* Lines that tell more of the command before them. */
static enum parsed detail_line(struct qemu *qemu, struct qemu_line *line)
{
	struct smmu_command_lines *command = &qemu->command;

	if (qemu_name_is(line, "smmuv3_s1_range_inval") || qemu_name_is(line, "smmuv3_range_inval"))
		return parse_range(command, &line->text);
	if (qemu_name_is(line, "smmuv3_cmdq_tlbi_nh_asid") ||
	    qemu_name_is(line, "smmuv3_cmdq_tlbi_s12_vmid") ||
	    qemu_name_is(line, "smmuv3_cmdq_tlbi_nh") ||
	    qemu_name_is(line, "smmuv3_cmdq_tlbi_nsnh") ||
	    qemu_name_is(line, "smmuv3_cmdq_cfgi_ste") ||
	    qemu_name_is(line, "smmuv3_cmdq_cfgi_ste_range") ||
	    qemu_name_is(line, "smmuv3_cmdq_cfgi_cd"))
		return parse_field(command, &line->text);
	/* The command's effect, which is counted once. */
	if ((line->length > 15 && memcmp(line->name, "smmu_iotlb_inv_", 15) == 0) ||
	    qemu_name_is(line, "smmuv3_config_cache_inv") ||
	    qemu_name_is(line, "smmu_config_cache_inv") ||
	    qemu_name_is(line, "smmu_configs_inv_sid_range"))
		return PARSED_NOTHING;
	return PARSED_UNKNOWN;
}

/* Lines that lead up to a record; by frequency. */
static enum parsed access_line(struct qemu *qemu, struct qemu_line *line,
			       struct smmu_access *access, struct host_record *record)
{
	if (qemu_name_is(line, "smmuv3_config_cache_hit") ||
	    qemu_name_is(line, "smmuv3_config_cache_miss"))
		return parse_config(&line->text, access);
	if (qemu_name_is(line, "smmu_iotlb_lookup_hit"))
		return parse_lookup(qemu, line, access, true, record);
	if (qemu_name_is(line, "smmu_iotlb_lookup_miss"))
		return parse_lookup(qemu, line, access, false, record);
	if (qemu_name_is(line, "smmu_ptw_page_pte") || qemu_name_is(line, "smmu_ptw_block_pte") ||
	    qemu_name_is(line, "smmu_iotlb_insert") || qemu_name_is(line, "smmu_ptw_invalid_pte") ||
	    qemu_name_is(line, "smmuv3_cmdq_consume") ||
	    qemu_name_is(line, "smmuv3_cmdq_consume_out"))
		return PARSED_NOTHING;
	return PARSED_UNKNOWN;
}

/* Lines that are records. */
static enum parsed record_line(struct qemu *qemu, struct qemu_line *line,
			       struct smmu_access *access, struct host_record *record)
{
	struct scan *text = &line->text;

	if (qemu_name_is(line, "smmuv3_translate_success"))
		return parse_success(qemu, line, access, record);
	if (qemu_name_is(line, "smmuv3_cmdq_opcode"))
		return parse_opcode(qemu, text, record);
	if (qemu_name_is(line, "smmuv3_read_mmio"))
		return parse_register(text, false, record);
	if (qemu_name_is(line, "smmuv3_write_mmio"))
		return parse_register(text, true, record);
	if (qemu_name_is(line, "smmuv3_record_event") ||
	    qemu_name_is(line, "smmuv3_propagate_event"))
		return parse_fault(qemu, line, access, record);
	if (qemu_name_is(line, "smmuv3_trigger_irq"))
		return parse_interrupt(qemu, text, record);
	if (qemu_name_is(line, "smmuv3_translate_bypass"))
		return parse_untranslated(qemu, line, " STE bypass iova:0x", SPACE_BYPASS, record);
	if (qemu_name_is(line, "smmuv3_translate_abort"))
		return parse_untranslated(qemu, line, " abort on iova:0x", NO_SPACE, record);
	if (qemu_name_is(line, "smmuv3_translate_disable"))
		return parse_untranslated(qemu, line, " bypass (smmu disabled) iova:0x",
					  SPACE_UNKNOWN, record);
	if (qemu_name_is(line, "smmuv3_write_gerror"))
		return parse_gerror(text, record);
	return PARSED_UNKNOWN;
}

static enum parsed main_line(struct qemu *qemu, struct qemu_line *line, struct host_record *record)
{
	struct smmu_access *access = &qemu_thread_of(qemu, line->tid)->smmu;
	enum parsed parsed = access_line(qemu, line, access, record);

	if (parsed != PARSED_UNKNOWN)
		return parsed;
	qemu_begin(line, record);
	return record_line(qemu, line, access, record);
}

enum parsed qemu_smmu_line(struct qemu *qemu, struct qemu_line *line, struct host_record *record)
{
	struct host_record command;
	enum parsed parsed;

	if (!qemu->command.pending) {
		parsed = main_line(qemu, line, record);
		return parsed == PARSED_UNKNOWN ? detail_line(qemu, line) : parsed;
	}
	parsed = detail_line(qemu, line);
	if (parsed != PARSED_UNKNOWN)
		return parsed;
	take_command(qemu, &command);
	/* The command comes first, then what this line tells. */
	parsed = main_line(qemu, line, record);
	if (parsed == PARSED_BAD || parsed == PARSED_UNKNOWN) {
		qemu->waiting[qemu->waits++] = command;
		return parsed;
	}
	if (parsed == PARSED_RECORD) {
		if (qemu->waits > 0)
			qemu->waiting[1] = qemu->waiting[0];
		qemu->waiting[0] = *record;
		qemu->waits++;
	}
	*record = command;
	return PARSED_RECORD;
}
