#include "traces/patch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDES = 2, SLOTS = EVENT_BATCH * EVENT_FIELDS };

/* Numbers of one name table of a side in the joined table, NAME_NONE while not known. */
struct renumbering {
	uint32_t *numbers, n;
};

struct side {
	struct event_source *source;
	struct event_batch batch;
	size_t at; /* next event of the batch */
	bool ended;
	struct renumbering of[NAME_TABLES];
};

struct patched {
	struct event_source head;
	struct side sides[SIDES]; /* the recording, the patch */
	uint64_t first, n;	  /* of the batch that is out */
	bool *declared[NAME_TABLES];
	uint32_t max_declared[NAME_TABLES];
	struct event events[EVENT_BATCH];
	uint64_t slots[SLOTS];
	struct {
		struct side *side;
		uint64_t number; /* in its own stream */
	} origin[EVENT_BATCH];
};

static bool used_up(const struct side *side)
{
	return !side->ended && side->at == side->batch.n;
}

static int ahead(struct side *side, struct err *err)
{
	int got;

	while (used_up(side)) {
		got = source_next(side->source, &side->batch, err);
		if (got < 0)
			return -1;
		side->at = 0;
		if (got == 0) {
			side->ended = true;
			side->batch.n = 0;
		}
	}
	return 0;
}

/* Room for number `at`, new places filled with `fill`. -1: no memory. */
static int room(uint32_t **array, uint32_t *n, uint32_t at, uint32_t fill)
{
	uint32_t more = at < UINT32_MAX / 2 ? at * 2 + 16 : UINT32_MAX, *grown;

	if (at < *n)
		return 0;
	grown = realloc(*array, more * sizeof *grown);
	if (!grown)
		return -1;
	for (uint32_t i = *n; i < more; i++)
		grown[i] = fill;
	*array = grown;
	*n = more;
	return 0;
}

static uint32_t joined(struct patched *patched, const struct side *side, enum name_table table,
		       uint32_t number)
{
	const struct names *names = side->source->names;
	const char *text =
		table == NAMES_STRINGS ? names_text(names, number) : names_of(names, table, number);
	uint32_t found, string;

	if (table == NAMES_STRINGS)
		return names_string(patched->head.names, text, strlen(text));
	found = names_find(patched->head.names, table, text, strlen(text));
	if (found != NAME_NONE)
		return found;
	string = names_string(patched->head.names, text, strlen(text));
	return string == NAME_NONE ? NAME_NONE : names_declare(patched->head.names, table, string);
}

/* A side's number of a string, device, domain or IOMMU in the joined table. */
static int renumber(struct patched *patched, struct side *side, enum name_table table,
		    uint32_t number, uint32_t *out, struct err *err)
{
	struct renumbering *of = &side->of[table];

	if (number == NAME_NONE) {
		*out = NAME_NONE;
		return 0;
	}
	if (room(&of->numbers, &of->n, number, NAME_NONE))
		return err_no_memory(err, "names");
	if (of->numbers[number] == NAME_NONE)
		of->numbers[number] = joined(patched, side, table, number);
	*out = of->numbers[number];
	return *out == NAME_NONE
		       ? err_set(err, ERR_LIMIT,
				 "more names than this program keeps, recording and patch "
				 "together")
		       : 0;
}

static int renumber_agent(struct patched *patched, struct side *side, uint32_t number,
			  uint32_t *out, struct err *err)
{
	struct renumbering *of = &side->of[NAMES_AGENTS];
	struct agent agent;

	if (number == EVENT_NO_AGENT) {
		*out = EVENT_NO_AGENT;
		return 0;
	}
	if (room(&of->numbers, &of->n, number, NAME_NONE))
		return err_no_memory(err, "names");
	if (of->numbers[number] == NAME_NONE) {
		agent = names_agent_of(side->source->names, number);
		if (renumber(patched, side, NAMES_DEVICES, agent.device, &agent.device, err) ||
		    renumber(patched, side, NAMES_DOMAINS, agent.domain, &agent.domain, err))
			return -1;
		of->numbers[number] = names_agent(patched->head.names, agent);
		if (of->numbers[number] == NAME_NONE)
			return err_no_memory(err, "names");
	}
	*out = of->numbers[number];
	return 0;
}

static int renumber_value(struct patched *patched, struct side *side,
			  const struct event_field *field, uint64_t *value, struct err *err)
{
	enum name_table table = field->type == FIELD_IOMMU ? NAMES_IOMMUS : NAMES_STRINGS;
	uint32_t number;

	if (field->type != FIELD_IOMMU && field->type != FIELD_NAME && field->type != FIELD_STRING)
		return 0;
	if (renumber(patched, side, table, (uint32_t)*value, &number, err))
		return -1;
	*value = number;
	return 0;
}

/* The table that a declaration adds to, or NAMES_STRINGS for every other event. */
static enum name_table declares(const struct event *event)
{
	return event->kind == EVENT_DEVICE   ? NAMES_DEVICES
	       : event->kind == EVENT_DOMAIN ? NAMES_DOMAINS
	       : event->kind == EVENT_IOMMU  ? NAMES_IOMMUS
					     : NAMES_STRINGS;
}

/* Whether this declares a name for the first time. -1: no memory. */
static int first_declaration(struct patched *patched, enum name_table table, uint64_t string,
			     struct err *err)
{
	const char *text = names_text(patched->head.names, (uint32_t)string);
	uint32_t number = names_find(patched->head.names, table, text, strlen(text)), n;
	bool *declared = patched->declared[table];

	if (number == NAME_NONE)
		number = names_declare(patched->head.names, table, (uint32_t)string);
	if (number == NAME_NONE)
		return err_no_memory(err, "names");
	if (number >= patched->max_declared[table]) {
		n = number * 2 + 16;
		declared = realloc(declared, n * sizeof *declared);
		if (!declared)
			return err_no_memory(err, "names");
		memset(declared + patched->max_declared[table], 0,
		       (n - patched->max_declared[table]) * sizeof *declared);
		patched->declared[table] = declared;
		patched->max_declared[table] = n;
	}
	if (declared[number])
		return 0;
	declared[number] = true;
	return 1;
}

/* The side's next event, renumbered, at place n of the joined batch. Returns 1, or 0 when it is a
 * declaration that was there already. */
static int take(struct patched *patched, struct side *side, size_t n, uint32_t *n_slots,
		struct err *err)
{
	const struct event *from = &side->batch.events[side->at++];
	const struct event_kind_row *row = &event_kinds[from->kind];
	struct event *event = &patched->events[n];
	uint64_t *slot = &patched->slots[*n_slots];
	unsigned count = event_slots(from);

	*event = *from;
	event->slot = *n_slots;
	if (count)
		memcpy(slot, &side->batch.slots[from->slot], count * sizeof *slot);
	for (unsigned present = from->present, i = 0; present; present &= present - 1, i++)
		if (renumber_value(patched, side, &row->fields[__builtin_ctz(present)], &slot[i],
				   err))
			return -1;
	if (renumber_agent(patched, side, from->agent, &event->agent, err))
		return -1;
	*n_slots += count;
	patched->origin[n].side = side;
	patched->origin[n].number = side->batch.first + side->at - 1;
	return declares(event) == NAMES_STRINGS
		       ? 1
		       : first_declaration(patched, declares(event), slot[0], err);
}

static struct side *earlier(struct patched *patched)
{
	struct side *recording = &patched->sides[0], *patch = &patched->sides[1];

	if (recording->ended)
		return patch->ended ? NULL : patch;
	if (patch->ended)
		return recording;
	return patch->batch.events[patch->at].time_ns <
			       recording->batch.events[recording->at].time_ns
		       ? patch
		       : recording;
}

/* Ends before a side's own batch is used up: where() asks about its events. */
static int patched_next(struct event_source *head, struct event_batch *batch, struct err *err)
{
	struct patched *patched = (struct patched *)head;
	uint32_t n_slots = 0;
	size_t n = 0;

	patched->first += patched->n;
	while (n < EVENT_BATCH) {
		struct side *side;
		int kept;

		if (n && (used_up(&patched->sides[0]) || used_up(&patched->sides[1])))
			break;
		if (ahead(&patched->sides[0], err) || ahead(&patched->sides[1], err))
			return -1;
		side = earlier(patched);
		if (!side)
			break;
		kept = take(patched, side, n, &n_slots, err);
		if (kept < 0)
			return -1;
		n += (size_t)kept;
	}
	patched->n = n;
	*batch = (struct event_batch){
		.events = patched->events, .slots = patched->slots, .n = n, .first = patched->first
	};
	head->offset = patched->sides[0].source->offset;
	return n != 0;
}

static void patched_where(const struct event_source *head, uint64_t event, char *text, size_t size)
{
	const struct patched *patched = (const struct patched *)head;
	uint64_t at = event - patched->first;

	if (event >= patched->first && at < patched->n)
		patched->origin[at].side->source->ops->where(
			patched->origin[at].side->source, patched->origin[at].number, text, size);
	else
		snprintf(text, size, "event %llu", (unsigned long long)event);
}

static void patched_close(struct event_source *head)
{
	struct patched *patched = (struct patched *)head;

	for (unsigned i = 0; i < SIDES; i++) {
		source_close(patched->sides[i].source);
		for (unsigned table = 0; table < NAME_TABLES; table++)
			free(patched->sides[i].of[table].numbers);
	}
	for (unsigned table = 0; table < NAME_TABLES; table++)
		free(patched->declared[table]);
	names_destroy(head->names);
	free(patched);
}

int patched_open(struct event_source *recording, struct event_source *patch,
		 struct event_source **out, struct err *err)
{
	static const struct event_source_ops ops = { patched_next, patched_where, patched_close };
	struct patched *patched = calloc(1, sizeof *patched);

	if (!patched) {
		source_close(recording);
		source_close(patch);
		return err_no_memory(err, "a patched recording");
	}
	patched->sides[0].source = recording;
	patched->sides[1].source = patch;
	patched->head = (struct event_source){ .ops = &ops,
					       .bytes = recording->bytes,
					       .kind = recording->kind,
					       .meta = recording->meta,
					       .uncertainty_ns = recording->uncertainty_ns };
	if (names_create(&patched->head.names)) {
		patched_close(&patched->head);
		return err_no_memory(err, "a patched recording");
	}
	*out = &patched->head;
	return 0;
}
