/*
 * What every reader owes its callers, whatever the bytes: batches that are well formed and in
 * order of time, an error that says something, and events that survive being printed in the text
 * form and read again. Shared by the fuzz targets of the readers.
 */
#ifndef IOMMUSIM_TESTS_FUZZ_ROUND_TRIP_H
#define IOMMUSIM_TESTS_FUZZ_ROUND_TRIP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "traces/event_check.h"
#include "traces/text.h"

/* A recording that was read to its end or to its error. The source stays open for its names. */
struct recording {
	struct event_source *source;
	struct event *events; /* event.slot indexes slots */
	uint64_t *slots;
	size_t n, max, n_slots, max_slots;
	bool whole; /* no error at the end */
};

/* The program stops where the property does not hold; libFuzzer keeps the input. */
static inline void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "does not hold: %s\n", what);
	abort();
}

static inline void check_error(const struct err *err)
{
	must(err->code != ERR_NONE && err->text[0], "an error has a code and a text");
}

/* The bits that events of this kind may have in `present`, and those that they must have. */
static inline unsigned slot_fields(unsigned kind, bool required)
{
	unsigned fields = 0;

	for (unsigned f = 0; f < EVENT_FIELDS; f++) {
		const struct event_field *field = &event_kinds[kind].fields[f];

		if (field->type != FIELD_END && field->place == PLACE_SLOT &&
		    (field->required || !required))
			fields |= 1u << f;
	}
	return fields;
}

static inline void check_event(const struct event_source *source, const struct event *event,
			       uint64_t last_ns)
{
	must(event->time_ns >= last_ns, "time does not go back");
	must(event->kind < EVENT_KINDS, "the kind is known");
	must(!(event->present & ~slot_fields(event->kind, false)), "only fields of the kind");
	/* a `lost` of salvage has nothing but its time */
	must(!(slot_fields(event->kind, true) & ~event->present), "all fields it needs");
	must(event->agent == EVENT_NO_AGENT ||
		     event->agent < names_count(source->names, NAMES_AGENTS),
	     "the agent has a name");
}

static inline void keep_event(struct recording *r, const struct event_batch *batch,
			      const struct event *event)
{
	unsigned n = event_slots(event);

	if (r->n == r->max) {
		r->max = r->max ? r->max * 2 : 64;
		r->events = realloc(r->events, r->max * sizeof *r->events);
	}
	if (r->n_slots + n > r->max_slots) {
		r->max_slots = r->max_slots ? r->max_slots * 2 : 256;
		r->slots = realloc(r->slots, r->max_slots * sizeof *r->slots);
	}
	must(r->events && (r->slots || !n), "there is memory");
	r->events[r->n] = *event;
	r->events[r->n++].slot = (uint32_t)r->n_slots;
	for (unsigned i = 0; i < n; i++)
		r->slots[r->n_slots++] = batch->slots[event->slot + i];
}

/* Takes the source. */
static inline void read_recording(struct event_source *source, struct recording *r)
{
	struct event_plan plans[EVENT_KINDS];
	struct event_batch batch;
	struct err err = { .code = ERR_NONE };
	uint64_t last_ns = 0;
	int got;

	event_plans_make(plans);
	*r = (struct recording){ .source = source };
	while ((got = source_next(source, &batch, &err)) == 1) {
		must(batch.n > 0 && batch.n <= EVENT_BATCH, "a batch has 1 to 512 events");
		must(batch.first == r->n, "batches count their events");
		for (size_t i = 0; i < batch.n; i++) {
			check_event(source, &batch.events[i], last_ns);
			must(!batch.sure || batch.events[i].kind == EVENT_DMA ||
				     event_surely_means(&plans[batch.events[i].kind], &batch,
							&batch.events[i]),
			     "what is said to be sure is");
			last_ns = batch.events[i].time_ns;
			keep_event(r, &batch, &batch.events[i]);
		}
	}
	if (got < 0)
		check_error(&err);
	r->whole = got == 0;
}

static inline void free_recording(struct recording *r)
{
	source_close(r->source);
	free(r->events);
	free(r->slots);
	*r = (struct recording){ 0 };
}

static inline struct event_batch as_batch(const struct recording *r)
{
	return (struct event_batch){ .events = r->events, .slots = r->slots, .n = r->n };
}

/* Numbers of names depend on the order of use; the names do not. */
static inline bool same_value(const struct recording *a, const struct recording *b, unsigned type,
			      uint64_t in_a, uint64_t in_b)
{
	const struct names *x = a->source->names, *y = b->source->names;

	if (type == FIELD_NAME || type == FIELD_STRING)
		return !strcmp(names_text(x, (uint32_t)in_a), names_text(y, (uint32_t)in_b));
	if (type == FIELD_IOMMU)
		return !strcmp(names_of(x, NAMES_IOMMUS, (uint32_t)in_a),
			       names_of(y, NAMES_IOMMUS, (uint32_t)in_b));
	return in_a == in_b;
}

static inline bool same_name(const struct recording *a, const struct recording *b,
			     enum name_table table, uint32_t in_a, uint32_t in_b)
{
	if (in_a == NAME_NONE || in_b == NAME_NONE)
		return in_a == in_b;
	return !strcmp(names_of(a->source->names, table, in_a),
		       names_of(b->source->names, table, in_b));
}

static inline bool same_event(const struct recording *a, const struct recording *b, size_t i)
{
	const struct event *in_a = &a->events[i], *in_b = &b->events[i];
	struct agent x = names_agent_of(a->source->names, in_a->agent),
		     y = names_agent_of(b->source->names, in_b->agent);
	struct event_batch batch_a = as_batch(a), batch_b = as_batch(b);

	if (in_a->time_ns != in_b->time_ns || in_a->addr != in_b->addr || in_a->len != in_b->len ||
	    in_a->kind != in_b->kind || in_a->flags != in_b->flags ||
	    in_a->present != in_b->present || x.pasid != y.pasid ||
	    !same_name(a, b, NAMES_DEVICES, x.device, y.device) ||
	    !same_name(a, b, NAMES_DOMAINS, x.domain, y.domain))
		return false;
	for (unsigned f = 0; f < EVENT_FIELDS; f++)
		if (event_has(in_a, f) &&
		    !same_value(a, b, event_kinds[in_a->kind].fields[f].type,
				event_value(&batch_a, in_a, f), event_value(&batch_b, in_b, f)))
			return false;
	return true;
}

static inline void print_difference(const struct recording *a, const struct recording *b, size_t i)
{
	const struct recording *both[] = { a, b };
	char line[512];

	for (int k = 0; k < 2; k++) {
		struct event_batch batch = as_batch(both[k]);
		const struct event *event = &batch.events[i];

		text_format(both[k]->source->names, &batch, event, line, sizeof line);
		fprintf(stderr, "%s: %s [addr 0x%llx len %u flags %u present 0x%x]\n",
			both[k]->source->kind, line, (unsigned long long)event->addr, event->len,
			event->flags, event->present);
	}
}

/* Prints the recording and reads that; b may be shorter when the text form refuses some event. */
static inline void print_and_read(const struct recording *a, struct recording *b)
{
	struct event_batch batch = as_batch(a);
	struct event_source *source = NULL;
	struct event_sink *sink = NULL;
	FILE *file = tmpfile();

	must(file && !text_sink_open(file, NULL, &sink, NULL), "the text form can be written");
	must(!sink->put(sink, a->source->names, &batch, NULL) &&
		     !sink->finish(sink, a->source->names, NULL),
	     "the text form can be written");
	rewind(file);
	must(!text_source_open(file, "printed.events", &source, NULL), "there is memory");
	read_recording(source, b);
}

#endif
