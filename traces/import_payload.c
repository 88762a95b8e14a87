/*
 * What stands behind an event's name in ftrace text: as the kernel and `trace-cmd report` print
 * it, as libtraceevent does where it cannot ("[FAILED TO PARSE] ..."), and raw (`report -R`),
 * field by field in the order of the record.
 */
#include "traces/import_parts.h"

static bool event_is(const struct scan *event, const char *name)
{
	return scan_left(event) == strlen(name) && memcmp(event->at, name, strlen(name)) == 0;
}

/* The value behind " key=", hexadecimal, with or without 0x. */
static bool field_hex(struct scan text, const char *key, uint64_t *value)
{
	if (!scan_seek(&text, key))
		return false;
	scan_literal(&text, "0x");
	return scan_hex(&text, value);
}

static bool field_decimal(struct scan text, const char *key, uint64_t *value)
{
	return scan_seek(&text, key) && scan_decimal(&text, value);
}

/* ---- iommu, intel_iommu ---------------------------------------------------------------- */

/* "IOMMU: iova=0x... - 0x... paddr=0x... size=N"; older kernels leave out the end (exclusive), and
 * raw text "IOMMU:" too. */
static bool parse_mapping(struct scan *scan, struct guest_record *record)
{
	uint64_t size;
	bool has_end;

	scan_literal(scan, "IOMMU: ");
	if (!scan_literal_hex(scan, "iova=0x", &record->iova))
		return false;
	has_end = scan_literal_hex(scan, " - 0x", &record->end);
	if (record->kind == GUEST_MAP && !scan_literal_hex(scan, " paddr=0x", &record->pa))
		return false;
	if (!scan_literal_hex(scan, " size=0x", &size) &&
	    !scan_literal_decimal(scan, " size=", &size))
		return false;
	record->done = size;
	if (record->kind == GUEST_UNMAP)
		scan_literal_decimal(scan, " unmapped_size=", &record->done);
	if (!scan_at_end(scan))
		return false;
	if (!has_end)
		record->end = record->iova + size;
	return guest_mapping_holds(record, size);
}

/* "iotlb_inv dmar0: 0x900f2 0xffffd000 0x0 0x0" */
static bool parse_qi_submit(struct scan *scan, struct guest_record *record)
{
	while (scan->at < scan->end && *scan->at != ' ')
		scan->at++;
	scan_blanks(scan);
	if (!guest_scan_unit(scan, record))
		return false;
	return scan_literal_hex(scan, ": 0x", &record->words[0]) &&
	       scan_literal_hex(scan, " 0x", &record->words[1]) &&
	       scan_literal_hex(scan, " 0x", &record->words[2]) &&
	       scan_literal_hex(scan, " 0x", &record->words[3]) && scan_at_end(scan);
}

/* "qw0=0x900f2 qw1=0xffffd000 qw2=0x0 qw3=0x0 iommu=dmar0" */
static bool parse_raw_submit(struct scan *scan, struct guest_record *record)
{
	static const char *const keys[4] = { "qw0=", "qw1=", "qw2=", "qw3=" };
	struct scan unit = *scan;

	for (unsigned i = 0; i < 4; i++)
		if (!field_hex(*scan, keys[i], &record->words[i]))
			return false;
	return scan_seek(&unit, " iommu=") && guest_scan_unit(&unit, record);
}

/* "dmar0/0000:6a:01.0 seq# 17: rid=0x6a08 addr=0x7f12ab344 rw--l pasid=0x3 index=0x0", the address in
 * pages; raw, the request's first two quadwords: "dw0=0x... dw1=0x... ...". */
static bool parse_prq_report(const struct scan *payload, struct guest_record *record)
{
	static const unsigned bits[5] = { 0, 1, 52, 53, 2 }; /* r, w, x, p, l */
	uint64_t *words = record->words, sid, page, pasid, group;
	struct scan flags = *payload;

	if (field_hex(*payload, "dw0=", &words[0]) && field_hex(*payload, "dw1=", &words[1]))
		return true;
	if (!field_hex(*payload, " rid=", &sid) || sid > 0xffff ||
	    !field_hex(*payload, " pasid=", &pasid) || pasid > 0xfffff ||
	    !field_hex(*payload, " index=", &group) || group > 0x1ff ||
	    !scan_seek(&flags, " addr=0x") || !scan_hex(&flags, &page) || page >> 52 ||
	    scan_left(&flags) < 6)
		return false;
	words[0] = 1u | 1u << 8 | sid << 16 | pasid << 32;
	words[1] = page << 12 | group << 3;
	for (unsigned i = 0; i < 5; i++) {
		if (flags.at[1 + i] != "rwxpl"[i] && flags.at[1 + i] != '-')
			return false;
		words[bits[i] < 32] |= (uint64_t)(flags.at[1 + i] != '-') << bits[i];
	}
	return true;
}

/* ---- kmem ------------------------------------------------------------------------------ */

/*
 * "page=000000007876bbb1 pfn=0x1bf37a order=0 ..."; old kernels print the number in decimal. A
 * page that could not be had is 0 or all ones.
 */
static enum payload parse_page(const struct scan *scan, struct guest_record *record)
{
	struct scan text = *scan;
	uint64_t pfn, order;

	if (!scan_seek(&text, "pfn="))
		return PAYLOAD_BAD;
	if (scan_literal(&text, "0x") ? !scan_hex(&text, &pfn) : !scan_decimal(&text, &pfn))
		return PAYLOAD_BAD;
	if (!field_decimal(*scan, " order=", &order) || order > 30)
		return PAYLOAD_BAD;
	if (record->kind == GUEST_ALLOC && (pfn == 0 || pfn == UINT64_MAX))
		return PAYLOAD_UNUSED;
	if (pfn >> 40)
		return PAYLOAD_BAD;
	record->pa = pfn << 12;
	record->done = 4096ull << order;
	return PAYLOAD_RECORD;
}

/* ---- dma ------------------------------------------------------------------------------- */

/* "... dma_addr=ffffd000 size=4096 ...": hexadecimal without 0x, then decimal; raw unmaps say addr=. */
static bool parse_one_range(const struct scan *scan, struct guest_record *record)
{
	uint64_t start, bytes;

	if (!field_hex(*scan, " dma_addr=", &start) && !field_hex(*scan, " addr=", &start))
		return false;
	return field_decimal(*scan, " size=", &bytes) && guest_set_range(record, start, bytes);
}

/* " dma_addrs={0xfff3f8c0,...}" */
static bool parse_braces(struct scan scan, uint64_t *values, unsigned *n)
{
	*n = 0;
	do {
		if (*n == HINT_RANGES || !scan_literal_hex(&scan, "0x", &values[*n]))
			return false;
		++*n;
	} while (scan_literal(&scan, ","));
	return scan_literal(&scan, "}");
}

/* " dma_addrs=ARRAY[00, f0, ff, ff, ...]": bytes of the record, the lowest first. */
static bool parse_bytes(struct scan scan, unsigned bytes, uint64_t *values, unsigned *n)
{
	uint64_t byte;

	*n = 0;
	do {
		if (*n == HINT_RANGES)
			return false;
		values[*n] = 0;
		for (unsigned i = 0; i < bytes; i++) {
			if ((i && !scan_literal(&scan, ", ")) || !scan_hex(&scan, &byte) ||
			    byte > 0xff)
				return false;
			values[*n] |= byte << 8 * i;
		}
		++*n;
	} while (scan_literal(&scan, ", "));
	return scan_literal(&scan, "]");
}

static bool parse_scatter(const struct scan *scan, struct payload_ranges *ranges)
{
	struct scan starts = *scan, sizes = *scan;
	unsigned n;

	if (scan_seek(&starts, " dma_addrs={") && scan_seek(&sizes, " sizes={"))
		return parse_braces(starts, ranges->start, &ranges->n) &&
		       parse_braces(sizes, ranges->bytes, &n) && n == ranges->n;
	starts = sizes = *scan;
	return scan_seek(&starts, " dma_addrs=ARRAY[") && scan_seek(&sizes, " lengths=ARRAY[") &&
	       parse_bytes(starts, 8, ranges->start, &ranges->n) &&
	       parse_bytes(sizes, 4, ranges->bytes, &n) && n == ranges->n;
}

/* A text of another form (probes of the same name) is no hint and no error. */
static bool parse_hint(const struct scan *event, const struct scan *payload,
		       struct guest_record *record, struct payload_ranges *ranges)
{
	const struct hint_event *known = guest_hint_event(event->at, scan_left(event));
	struct scan scan = *payload;

	scan_literal(&scan, "[FAILED TO PARSE] ");
	scan_literal(&scan, "device=");
	if (!known || !guest_scan_device(&scan, record))
		return false;
	record->kind = GUEST_HINT;
	record->hint = known->hint;
	switch (known->ranges) {
	case HINT_ONE_RANGE:
		return parse_one_range(&scan, record);
	case HINT_RANGE_LIST:
		return parse_scatter(&scan, ranges) &&
		       guest_set_range(record, ranges->start[0], ranges->bytes[0]);
	case HINT_NO_RANGE:
		return true;
	}
	return false;
}

/* ---- by name --------------------------------------------------------------------------- */

static bool begins(const struct scan *payload, const char *with)
{
	struct scan scan = *payload;

	return scan_literal(&scan, with);
}

static enum payload parse_mark(struct scan scan, struct guest_record *record)
{
	record->kind = GUEST_MARK;
	scan_literal(&scan, "tracing_mark_write: ");
	while (scan.end > scan.at && scan.end[-1] == ' ')
		scan.end--;
	record->text = scan.at;
	record->length = scan_left(&scan);
	return record->length <= MARK_MAX_BYTES ? PAYLOAD_RECORD : PAYLOAD_BAD;
}

enum payload payload_parse(const struct scan *event, const struct scan *payload,
			   struct guest_record *record, struct payload_ranges *ranges,
			   const char **expected)
{
	struct scan scan = *payload;
	bool mapping = begins(payload, "IOMMU:") || begins(payload, "iova=");

	ranges->n = 0;
	if (event_is(event, "map") && mapping) {
		record->kind = GUEST_MAP;
		*expected = "map: IOMMU: iova=0x... - 0x... paddr=0x... size=N";
		return parse_mapping(&scan, record) ? PAYLOAD_RECORD : PAYLOAD_BAD;
	}
	if (event_is(event, "unmap") && mapping) {
		record->kind = GUEST_UNMAP;
		*expected = "unmap: IOMMU: iova=0x... - 0x... size=N unmapped_size=N";
		return parse_mapping(&scan, record) ? PAYLOAD_RECORD : PAYLOAD_BAD;
	}
	if (event_is(event, "qi_submit")) {
		record->kind = GUEST_COMMAND;
		*expected = "qi_submit: TYPE UNIT: 0x... 0x... 0x... 0x...";
		return (begins(payload, "qw0=") ? parse_raw_submit(&scan, record)
						: parse_qi_submit(&scan, record))
			       ? PAYLOAD_RECORD
			       : PAYLOAD_BAD;
	}
	if (event_is(event, "prq_report")) {
		record->kind = GUEST_REQUEST;
		*expected = "prq_report: UNIT/DEVICE seq# N: rid=0x... addr=0x... rwxpl "
			    "pasid=0x... index=0x...";
		return parse_prq_report(payload, record) ? PAYLOAD_RECORD : PAYLOAD_BAD;
	}
	if (event_is(event, "tracing_mark_write") || event_is(event, "print")) {
		*expected = "a marker text of at most 4096 bytes";
		return parse_mark(scan, record);
	}
	if (event_is(event, "mm_page_free") || event_is(event, "mm_page_alloc")) {
		record->kind = event_is(event, "mm_page_free") ? GUEST_FREE : GUEST_ALLOC;
		*expected = "mm_page_free: page=... pfn=0x... order=N";
		return parse_page(payload, record);
	}
	return parse_hint(event, payload, record, ranges) ? PAYLOAD_RECORD : PAYLOAD_UNUSED;
}
