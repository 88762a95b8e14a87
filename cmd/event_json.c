#include "cmd/event_json.h"

#include <stdlib.h>

#include "cmd/json.h"
#include "traces/text.h"

struct json_sink {
	struct event_sink head;
	FILE *file;
};

/* A verb or optional word is "access", whatever the kind calls it. */
static void put_verb(struct json *json, const char *verbs, unsigned verb)
{
	struct event_field field = { .type = FIELD_WORD, .choices = verbs };
	char text[32];

	text_format_value(NULL, &field, verb, text, sizeof text);
	json_text(json, "access", text);
}

static void put_value(struct json *json, const struct names *names, const struct event_field *field,
		      uint64_t value)
{
	char text[4104]; /* a dictionary entry has at most 4 KiB */

	switch (field->type) {
	case FIELD_NUMBER:
	case FIELD_SIZE:
	case FIELD_TIME:
		json_number(json, field->key, value);
		return;
	case FIELD_YES:
	case FIELD_NO:
		json_bool(json, field->key, field->type == FIELD_YES);
		return;
	default:
		text_format_value(names, field, value, text, sizeof text);
		json_text(json, field->type == FIELD_WORD ? "access" : field->key, text);
	}
}

/* w=W0,W1,... becomes "w": ["0x..", ...]. */
static void put_words(struct json *json, const struct event_batch *batch, const struct event *event,
		      unsigned first)
{
	json_array(json, event_kinds[event->kind].fields[first].key);
	for (unsigned f = first; f < first + 4; f++)
		if (event_has(event, f))
			json_hex(json, NULL, event_value(batch, event, f));
	json_end(json);
}

static void put_field(struct json *json, const struct names *names, const struct event_batch *batch,
		      const struct event *event, unsigned f)
{
	const struct event_field *field = &event_kinds[event->kind].fields[f];
	struct agent agent = names_agent_of(names, event->agent);

	if (field->place == PLACE_ADDR) {
		if (text_shows_address(event, field))
			json_hex(json, field->key, event->addr);
	} else if (field->place == PLACE_LEN) {
		json_number(json, field->key, event->len);
	} else if (field->place == PLACE_AGENT) {
		if (agent.pasid != PASID_NONE)
			json_number(json, field->key, agent.pasid);
	} else if (event_has(event, f) && field->type == FIELD_WORDS) {
		put_words(json, batch, event, f);
	} else if (event_has(event, f) && field->type != FIELD_WORD_MORE) {
		put_value(json, names, field, event_value(batch, event, f));
	}
}

static void put_event(struct json *json, const struct names *names, const struct event_batch *batch,
		      const struct event *event)
{
	static const char *const classes[] = { "recorded", "derived", "inferred", "reader" };
	const struct event_kind_row *row = &event_kinds[event->kind];
	struct agent agent = names_agent_of(names, event->agent);

	json_object(json, NULL);
	json_number(json, "event", batch->first + (uint64_t)(event - batch->events));
	json_number(json, "time_ns", event->time_ns);
	json_text(json, "kind", row->word);
	if (row->subject != SUBJECT_NEW && agent.device != NAME_NONE)
		json_text(json, "device", names_of(names, NAMES_DEVICES, agent.device));
	if (row->subject != SUBJECT_NEW && agent.domain != NAME_NONE)
		json_text(json, "domain", names_of(names, NAMES_DOMAINS, agent.domain));
	if (row->verbs)
		put_verb(json, row->verbs, event_verb(event));
	for (unsigned f = 0; f < EVENT_FIELDS; f++)
		if (row->fields[f].type != FIELD_END)
			put_field(json, names, batch, event, f);
	if (event_class(event) != CLASS_RECORDED)
		json_text(json, "class", classes[event_class(event)]);
	if (event->flags & EVENT_FLAG_CLAMPED)
		json_bool(json, "clamped", true);
	json_end(json);
}

static int json_put(struct event_sink *head, const struct names *names,
		    const struct event_batch *batch, struct err *err)
{
	struct json_sink *sink = (struct json_sink *)head;
	struct json json;

	for (size_t i = 0; i < batch->n; i++) {
		json_begin_line(&json, sink->file);
		put_event(&json, names, batch, &batch->events[i]);
		json_finish(&json);
	}
	return ferror(sink->file) ? err_set(err, ERR_IO, "the JSON output cannot be written") : 0;
}

static void json_abandon(struct event_sink *head)
{
	free(head);
}

static int json_done(struct event_sink *head, const struct names *names, struct err *err)
{
	FILE *file = ((struct json_sink *)head)->file;

	(void)names;
	free(head);
	return fflush(file) ? err_set(err, ERR_IO, "the JSON output cannot be written") : 0;
}

int event_json_open(FILE *file, struct event_sink **out, struct err *err)
{
	struct json_sink *sink = calloc(1, sizeof *sink);

	if (!sink)
		return err_no_memory(err, "a JSON writer");
	sink->head = (struct event_sink){ json_put, json_done, json_abandon };
	sink->file = file;
	*out = &sink->head;
	return 0;
}
