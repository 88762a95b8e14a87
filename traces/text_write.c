/* Printing the text form: canonical, so that what is printed reads back as the same events. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "traces/meta.h"
#include "traces/text.h"

/* Text that grows up to the room there is; what does not fit is cut. */
struct line {
	char *text;
	size_t n, size;
};

static void put(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct line *line, const char *format, ...)
{
	va_list args;
	int n;

	if (line->n + 1 >= line->size)
		return;
	va_start(args, format);
	n = vsnprintf(line->text + line->n, line->size - line->n, format, args);
	va_end(args);
	if (n > 0)
		line->n += (size_t)n < line->size - line->n ? (size_t)n : line->size - line->n - 1;
}

static void put_choice(struct line *line, const char *list, uint64_t index)
{
	while (index--) {
		list = strchr(list, '|');
		if (!list) {
			put(line, "?");
			return;
		}
		list++;
	}
	put(line, "%.*s", (int)strcspn(list, "|"), list);
}

static void put_size(struct line *line, uint64_t value)
{
	static const char units[] = { 'T', 'G', 'M', 'K' };

	for (unsigned i = 0; value && i < 4; i++) {
		unsigned shift = 40 - 10 * i;

		if (!(value & ((1ull << shift) - 1))) {
			put(line, "%" PRIu64 "%c", value >> shift, units[i]);
			return;
		}
	}
	put(line, "%" PRIu64, value);
}

static void put_device_id(struct line *line, uint64_t value)
{
	if (!(value >> 63)) {
		put(line, "%" PRIu64, value);
		return;
	}
	put(line, "%04x:%02x:%02x.%x", (unsigned)(value >> 16 & 0xffff),
	    (unsigned)(value >> 8 & 0xff), (unsigned)(value >> 3 & 0x1f), (unsigned)(value & 7));
}

static void put_string(struct line *line, const char *text)
{
	put(line, "\"");
	for (; *text; text++)
		put(line, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	put(line, "\"");
}

static void put_value(struct line *line, const struct names *names, const struct event_field *field,
		      uint64_t value)
{
	switch (field->type) {
	case FIELD_HEX:
	case FIELD_WORDS:
	case FIELD_WORD_MORE:
		put(line, "0x%" PRIx64, value);
		break;
	case FIELD_SIZE:
		put_size(line, value);
		break;
	case FIELD_YES:
		put(line, "yes");
		break;
	case FIELD_NO:
		put(line, "no");
		break;
	case FIELD_CHOICE:
	case FIELD_WORD:
		put_choice(line, field->choices, value);
		break;
	case FIELD_PERM:
		put(line, "%s%s%s", value & 1 ? "r" : "", value & 2 ? "w" : "",
		    value & 4 ? "x" : "");
		break;
	case FIELD_NAME:
	case FIELD_STRING:
		put(line, "%s", names_text(names, (uint32_t)value));
		break;
	case FIELD_IOMMU:
		put(line, "%s", names_of(names, NAMES_IOMMUS, (uint32_t)value));
		break;
	case FIELD_DEVICE_ID:
		put_device_id(line, value);
		break;
	case FIELD_OR_NONE:
		if (value == UINT64_MAX)
			put(line, "none");
		else
			put(line, "0x%" PRIx64, value);
		break;
	default:
		put(line, "%" PRIu64, value);
	}
}

static void put_subject(struct line *line, const struct names *names,
			const struct event_batch *batch, const struct event *event)
{
	struct agent agent = names_agent_of(names, event->agent);

	switch (event_kinds[event->kind].subject) {
	case SUBJECT_NEW:
		put(line, " %s", names_text(names, (uint32_t)event_value(batch, event, 0)));
		break;
	case SUBJECT_TEXT:
		put(line, " ");
		put_string(line, names_text(names, (uint32_t)event_value(batch, event, 0)));
		break;
	case SUBJECT_NONE:
		break;
	default:
		if (agent.device != NAME_NONE)
			put(line, " %s", names_of(names, NAMES_DEVICES, agent.device));
		if (agent.domain != NAME_NONE)
			put(line, " %s", names_of(names, NAMES_DOMAINS, agent.domain));
	}
}

bool text_shows_address(const struct event *event, const struct event_field *field)
{
	if (field->required)
		return true;
	/* inval and dirty: the range is there when its size is */
	return event->kind == EVENT_INVAL ? event_has(event, INVAL_SIZE) : event_has(event, 1);
}

static void put_words(struct line *line, const struct event_batch *batch, const struct event *event,
		      unsigned f)
{
	put(line, " w=0x%" PRIx64, event_value(batch, event, f));
	for (unsigned more = f + 1; more < f + 4; more++)
		if (event_has(event, more))
			put(line, ",0x%" PRIx64, event_value(batch, event, more));
}

static void put_field(struct line *line, const struct names *names, const struct event_batch *batch,
		      const struct event *event, unsigned f)
{
	const struct event_field *field = &event_kinds[event->kind].fields[f];
	struct agent agent;

	switch (field->place) {
	case PLACE_ADDR:
		if (text_shows_address(event, field))
			put(line, " %s=0x%" PRIx64, field->key, event->addr);
		return;
	case PLACE_LEN:
		put(line, " %s=%" PRIu32, field->key, event->len);
		return;
	case PLACE_AGENT:
		agent = names_agent_of(names, event->agent);
		if (agent.pasid != PASID_NONE)
			put(line, " %s=%" PRIu32, field->key, agent.pasid);
		return;
	default:
		break;
	}
	if (!event_has(event, f) || field->type == FIELD_WORD_MORE)
		return;
	if (field->type == FIELD_WORDS) {
		put_words(line, batch, event, f);
	} else if (field->type == FIELD_WORD) {
		put(line, " ");
		put_choice(line, field->choices, event_value(batch, event, f));
	} else {
		put(line, " %s=", field->key);
		put_value(line, names, field, event_value(batch, event, f));
	}
}

void text_format_value(const struct names *names, const struct event_field *field, uint64_t value,
		       char *text, size_t size)
{
	struct line line = { text, 0, size };

	if (!size)
		return;
	text[0] = 0;
	put_value(&line, names, field, value);
}

void text_format(const struct names *names, const struct event_batch *batch,
		 const struct event *event, char *text, size_t size)
{
	static const char *const classes[] = { "recorded", "derived", "inferred", "reader" };
	const struct event_kind_row *row = &event_kinds[event->kind];
	struct line line = { text, 0, size };
	bool named = row->subject == SUBJECT_NEW || row->subject == SUBJECT_TEXT;

	if (!size)
		return;
	text[0] = 0;
	put(&line, "%" PRIu64 " %s", event->time_ns, row->word);
	put_subject(&line, names, batch, event);
	if (row->verbs) {
		put(&line, " ");
		put_choice(&line, row->verbs, event_verb(event));
	}
	for (unsigned f = named ? 1 : 0; f < EVENT_FIELDS; f++)
		if (row->fields[f].type != FIELD_END)
			put_field(&line, names, batch, event, f);
	if (event_class(event) != CLASS_RECORDED)
		put(&line, " class=%s", classes[event_class(event)]);
	if (event->flags & EVENT_FLAG_CLAMPED)
		put(&line, " clamped=yes");
}

struct text_sink {
	struct event_sink head;
	FILE *file;
	char line[16384];
};

static int text_put(struct event_sink *head, const struct names *names,
		    const struct event_batch *batch, struct err *err)
{
	struct text_sink *sink = (struct text_sink *)head;

	for (size_t i = 0; i < batch->n; i++) {
		text_format(names, batch, &batch->events[i], sink->line, sizeof sink->line);
		if (fputs(sink->line, sink->file) < 0 || fputc('\n', sink->file) < 0)
			return err_set(err, ERR_IO, "the text output cannot be written");
	}
	return 0;
}

static int text_finish(struct event_sink *head, const struct names *names, struct err *err)
{
	struct text_sink *sink = (struct text_sink *)head;
	int answer = fflush(sink->file);

	(void)names;
	free(sink);
	return answer ? err_set(err, ERR_IO, "the text output cannot be written") : 0;
}

static void text_abandon(struct event_sink *head)
{
	free(head);
}

static int print_head(FILE *file, const char *meta)
{
	if (fputs("# iommusim events 1\n", file) < 0)
		return -1;
	while (meta && *meta) {
		int n = (int)strcspn(meta, "\n");

		if (!meta_is_writers(meta) && fprintf(file, "# meta %.*s\n", n, meta) < 0)
			return -1;
		meta += n + (meta[n] == '\n');
	}
	return 0;
}

int text_sink_open(FILE *file, const char *meta, struct event_sink **out, struct err *err)
{
	struct text_sink *sink = calloc(1, sizeof *sink);

	if (!sink)
		return err_no_memory(err, "a text writer");
	sink->head = (struct event_sink){ text_put, text_finish, text_abandon };
	sink->file = file;
	if (print_head(file, meta)) {
		free(sink);
		return err_set(err, ERR_IO, "the text output cannot be written");
	}
	*out = &sink->head;
	return 0;
}
