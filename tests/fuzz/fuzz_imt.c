/*
 * Hostile native recordings, read strictly and with salvage: once as the bytes are, and once with
 * every checksum made right, so that what is behind the checksums is reached.
 */
#include "tests/fuzz/input_file.h"
#include "tests/fuzz/round_trip.h"
#include "tests/unit/imt_seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[PATH_BYTES];

static void remove_file(void)
{
	unlink(path);
}

static void repair(uint8_t *data, size_t size)
{
	size_t at = IMT_HEADER;

	if (size >= IMT_HEADER)
		put32(data + 60, crc32c(0, data, 60));
	while (at + IMT_BLOCK_HEADER <= size) {
		uint8_t *block = data + at;
		size_t room = size - at - IMT_BLOCK_HEADER, bytes = get32(block + 12);

		if (get64(block) != IMT_BLOCK_MARK)
			break;
		if (bytes > room) {
			put32(block + 60, crc32c(0, block, 60));
			break;
		}
		imt_seal_block(block);
		at += IMT_BLOCK_HEADER + (bytes + 7) / 8 * 8;
	}
	if (size >= IMT_TRAILER)
		put32(data + size - 4, crc32c(0, data + size - IMT_TRAILER, 28));
}

/* Whether the file is taken at all. */
static bool read_file(bool salvage, struct recording *recording)
{
	struct imt_options options = { .salvage = salvage };
	struct err err = { .code = ERR_NONE };
	struct event_source *source;

	if (imt_source_open(path, &options, &source, &err)) {
		check_error(&err);
		return false;
	}
	read_recording(source, recording);
	return true;
}

static bool is_name(const char *text)
{
	size_t n = strlen(text);

	return n && strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				 "_.:-") == n;
}

/* Dictionaries take any bytes; the text form has one line for an event. */
static bool fits_lines(const struct names *names)
{
	for (uint32_t i = 0; i < names_count(names, NAMES_STRINGS); i++)
		if (strchr(names_text(names, i), '\n'))
			return false;
	return true;
}

static bool agent_can_be_said(const struct recording *r, const struct event *event)
{
	const struct names *names = r->source->names;
	struct event_batch batch = as_batch(r);
	struct agent agent = names_agent_of(names, event->agent);
	bool device = agent.device != NAME_NONE, domain = agent.domain != NAME_NONE;

	if ((device && !is_name(names_of(names, NAMES_DEVICES, agent.device))) ||
	    (domain && !is_name(names_of(names, NAMES_DOMAINS, agent.domain))))
		return false;
	switch (event_kinds[event->kind].subject) {
	case SUBJECT_NONE:
	case SUBJECT_TEXT:
		return event->agent == EVENT_NO_AGENT;
	case SUBJECT_NEW:
		return device == (event->kind == EVENT_DEVICE) &&
		       domain == (event->kind == EVENT_DOMAIN) &&
		       (!device || names_string_of(names, NAMES_DEVICES, agent.device) ==
					   event_value(&batch, event, 0)) &&
		       (!domain || names_string_of(names, NAMES_DOMAINS, agent.domain) ==
					   event_value(&batch, event, 0));
	case SUBJECT_DOMAIN:
		return domain && !device;
	case SUBJECT_DEVICE:
		return device && !domain;
	case SUBJECT_DEVICE_DOMAIN:
		return device && domain;
	default:
		/* inval: the device is the ATC's or the configuration's, else there is none */
		return !(device && domain) &&
		       device == (event_has(event, INVAL_ATC) || event_has(event, INVAL_CONFIG)) &&
		       (device || domain || event->agent == EVENT_NO_AGENT);
	}
}

static bool value_can_be_said(const struct names *names, unsigned type, uint64_t value)
{
	switch (type) {
	case FIELD_YES:
	case FIELD_NO:
		return value == 1;
	case FIELD_PERM:
		return !(value & ~7ull);
	case FIELD_DEVICE_ID: /* bit 63, segment [31:16], function [15:0] */
		return !(value >> 63) || !(value << 1 >> 33);
	case FIELD_NAME:
		return is_name(names_text(names, (uint32_t)value));
	case FIELD_IOMMU:
		return is_name(names_of(names, NAMES_IOMMUS, (uint32_t)value));
	default:
		return true;
	}
}

/* Not so for values and agents that no recorder makes, and for which there are no words. */
static bool can_be_said(const struct recording *r, size_t i)
{
	struct event_batch batch = as_batch(r);
	const struct event *event = &r->events[i];
	unsigned places = 0;

	for (unsigned f = 0; f < EVENT_FIELDS; f++) {
		const struct event_field *field = &event_kinds[event->kind].fields[f];

		if (field->type != FIELD_END)
			places |= 1u << field->place;
		if (event_has(event, f) && !value_can_be_said(r->source->names, field->type,
							      event_value(&batch, event, f)))
			return false;
	}
	/* a range is said by its size */
	if ((event->kind == EVENT_INVAL && !event_has(event, INVAL_SIZE)) ||
	    (event->kind == EVENT_DIRTY && !event_has(event, DIRTY_SIZE)))
		places &= ~(1u << PLACE_ADDR);
	/* w=W0,W1,...: no word without the one before */
	if (event->kind == EVENT_CMD && (event_has(event, CMD_W2) > event_has(event, CMD_W1) ||
					 event_has(event, CMD_W3) > event_has(event, CMD_W2)))
		return false;
	return agent_can_be_said(r, event) && (places >> PLACE_ADDR & 1 || !event->addr) &&
	       (places >> PLACE_LEN & 1 || !event->len) &&
	       (places >> PLACE_AGENT & 1 ||
		names_agent_of(r->source->names, event->agent).pasid == PASID_NONE);
}

/*
 * Native files can hold what the text form refuses. What it takes is the same event, but for what
 * it has no words for.
 */
static void check_round_trip(const struct recording *taken)
{
	struct recording again;

	if (!fits_lines(taken->source->names))
		return;
	print_and_read(taken, &again);
	must(again.n <= taken->n, "printing makes no event");
	must(!again.whole || again.n == taken->n, "printing loses no event");
	for (size_t i = 0; i < again.n; i++) {
		if (same_event(taken, &again, i) || !can_be_said(taken, i))
			continue;
		print_difference(taken, &again, i);
		must(false, "an event reads back as itself");
	}
	free_recording(&again);
}

static void check_file(const uint8_t *data, size_t size)
{
	struct recording strict, salvaged;
	bool opened;

	write_input_file(path, data, size);
	opened = read_file(false, &strict);
	if (read_file(true, &salvaged)) {
		must(salvaged.whole, "salvage ends without an error");
		check_round_trip(&salvaged);
		if (opened && strict.whole) {
			must(strict.n == salvaged.n, "salvage adds nothing to a good file");
			for (size_t i = 0; i < strict.n; i++)
				must(same_event(&strict, &salvaged, i),
				     "salvage takes a good file as it is");
		}
		free_recording(&salvaged);
	} else {
		must(!opened, "salvage opens what strict reading opens");
	}
	if (opened)
		free_recording(&strict);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);

	if (!copy)
		abort();
	if (!path[0]) {
		make_input_file(path);
		atexit(remove_file);
	}
	memcpy(copy, data, size);
	check_file(copy, size);
	repair(copy, size);
	if (memcmp(copy, data, size))
		check_file(copy, size);
	free(copy);
	return 0;
}
