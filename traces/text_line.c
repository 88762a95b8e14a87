/* One line of the text form becomes one event: time, kind, subject, keys, and whether they make sense. */
#include <string.h>

#include "traces/text_private.h"

/* ---- names --------------------------------------------------------------------------------- */

struct declared {
	const struct names *names;
	enum name_table table;
};

static const char *declared_at(const void *ctx, uint32_t i)
{
	const struct declared *declared = ctx;

	return i < names_count(declared->names, declared->table)
		       ? names_of(declared->names, declared->table, i)
		       : NULL;
}

static int find_declared(struct parser *p, struct word word, enum name_table table,
			 const char *what, uint32_t *number)
{
	struct declared declared = { p->names, table };
	char near[128];

	*number =
		word.length ? names_find(declared.names, table, word.text, word.length) : NAME_NONE;
	if (*number != NAME_NONE)
		return 0;
	if (!word.length)
		return text_refuse(p, word.text, "expected the name of a declared %s", what);
	return text_refuse(p, word.text, "%s '%.*s' is not declared%s", what, text_shown(word),
			   word.text, text_hint(word, declared_at, &declared, near, sizeof near));
}

static int parse_iommu(struct parser *p, struct word word, uint64_t *value)
{
	struct names *names = p->names;
	uint32_t number;

	/* without any declaration there is one, called iommu0 */
	if (names_count(names, NAMES_IOMMUS) == 0 && text_word_is(word, "iommu0"))
		names_declare(names, NAMES_IOMMUS, names_string(names, "iommu0", 6));
	if (find_declared(p, word, NAMES_IOMMUS, "iommu", &number))
		return -1;
	*value = number;
	return 0;
}

static int declare(struct parser *p, struct word word, struct agent *agent)
{
	static const struct {
		uint8_t kind;
		enum name_table table;
	} tables[] = { { EVENT_IOMMU, NAMES_IOMMUS },
		       { EVENT_DOMAIN, NAMES_DOMAINS },
		       { EVENT_DEVICE, NAMES_DEVICES } };
	enum name_table table = tables[p->event.kind - EVENT_IOMMU].table;
	uint32_t number;

	if (!word.length)
		return text_refuse(p, word.text, "expected a name for this %s",
				   event_kinds[p->event.kind].word);
	if (text_parse_name(p, word, "name", &p->values[0]))
		return -1;
	number = names_declare(p->names, table, (uint32_t)p->values[0]);
	if (number == NAME_NONE)
		return text_refuse(p, word.text, "%s '%.*s' is declared already",
				   event_kinds[p->event.kind].word, text_shown(word), word.text);
	p->event.present |= 1; /* the name is field 0 */
	if (table == NAMES_DOMAINS)
		agent->domain = number;
	if (table == NAMES_DEVICES)
		agent->device = number;
	return 0;
}

/* Whether key=value stands in the rest of the line, before a comment. */
static bool key_follows(const char *at, const char *key)
{
	const char *end = at + strcspn(at, "#"), *found = strstr(at, key);

	return found && found < end;
}

/* inval's subject: a device with atc= or config=, a domain, or nothing. */
static int parse_inval_subject(struct parser *p, struct agent *agent)
{
	const char *begin = p->at;
	bool device = key_follows(begin, "atc=yes") || key_follows(begin, "config=yes");
	struct word word = text_next_word(p, true);

	if (*p->at == '=' || !word.length) {
		p->at = begin;
		return device ? text_refuse(p, begin, "atc=yes and config=yes need a device's name")
			      : 0;
	}
	return device ? find_declared(p, word, NAMES_DEVICES, "device", &agent->device)
		      : find_declared(p, word, NAMES_DOMAINS, "domain", &agent->domain);
}

static int parse_subject(struct parser *p, struct agent *agent)
{
	switch (event_kinds[p->event.kind].subject) {
	case SUBJECT_NEW:
		return declare(p, text_next_word(p, false), agent);
	case SUBJECT_DOMAIN:
		return find_declared(p, text_next_word(p, false), NAMES_DOMAINS, "domain",
				     &agent->domain);
	case SUBJECT_DEVICE:
		return find_declared(p, text_next_word(p, false), NAMES_DEVICES, "device",
				     &agent->device);
	case SUBJECT_DEVICE_DOMAIN:
		return find_declared(p, text_next_word(p, false), NAMES_DEVICES, "device",
				     &agent->device) ||
				       find_declared(p, text_next_word(p, false), NAMES_DOMAINS,
						     "domain", &agent->domain)
			       ? -1
			       : 0;
	case SUBJECT_INVAL:
		text_skip_blanks(p);
		return parse_inval_subject(p, agent);
	case SUBJECT_TEXT:
		text_skip_blanks(p);
		p->event.present |= 1;
		return text_parse_string(p, &p->values[0]);
	default:
		return 0;
	}
}

/* ---- keys ---------------------------------------------------------------------------------- */

static const char *key_at(const void *ctx, uint32_t i)
{
	const struct event_kind_row *row = ctx;
	uint32_t n = 0;

	for (unsigned f = 0; f < EVENT_FIELDS; f++)
		if (row->fields[f].type != FIELD_END && row->fields[f].type != FIELD_WORD_MORE &&
		    n++ == i)
			return row->fields[f].key;
	return n == i ? "class" : NULL;
}

static int parse_words(struct parser *p, struct word word, unsigned field)
{
	unsigned n = 0;

	while (word.length || n == 0) {
		struct word one = word;
		const char *comma = memchr(word.text, ',', word.length);

		if (n == 4)
			return text_refuse(p, word.text, "more than four words in w=");
		one.length = comma ? (size_t)(comma - word.text) : word.length;
		if (text_parse_number(p, one, "w", &p->values[field + n]))
			return -1;
		p->event.present |= (uint16_t)(1u << (field + n));
		n++;
		if (!comma)
			return 0;
		word.length -= one.length + 1;
		word.text = comma + 1;
	}
	return 0;
}

static int parse_flag(struct parser *p, struct word word, const struct event_field *field,
		      uint64_t *value)
{
	const char *expected = field->type == FIELD_YES ? "yes" : "no",
		   *other = field->type == FIELD_YES ? "no" : "yes";

	if (text_word_is(word, other)) { /* the default, said aloud */
		*value = UINT64_MAX;
		return 0;
	}
	if (!text_word_is(word, expected))
		return text_refuse(p, word.text, "%s '%.*s'; expected yes or no", field->key,
				   text_shown(word), word.text);
	*value = 1;
	return 0;
}

static int parse_value(struct parser *p, const struct event_field *field, unsigned index,
		       struct word word)
{
	uint64_t *value = &p->values[index];

	switch (field->type) {
	case FIELD_SIZE:
		return text_parse_size(p, word, field->key, value);
	case FIELD_TIME:
		return text_parse_time(p, word, value);
	case FIELD_YES:
	case FIELD_NO:
		return parse_flag(p, word, field, value);
	case FIELD_CHOICE:
		return text_parse_choice(p, word, field->key, field->choices, value);
	case FIELD_PERM:
		return text_parse_perm(p, word, value);
	case FIELD_NAME:
		return text_parse_name(p, word, field->key, value);
	case FIELD_IOMMU:
		return parse_iommu(p, word, value);
	case FIELD_DEVICE_ID:
		return text_parse_device_id(p, word, value);
	case FIELD_WORDS:
		return parse_words(p, word, index);
	case FIELD_OR_NONE:
		if (text_word_is(word, "none")) {
			*value = UINT64_MAX;
			return 0;
		}
		return text_parse_number(p, word, field->key, value);
	default:
		return text_parse_number(p, word, field->key, value);
	}
}

/* Puts a parsed value where the head or the slots keep it. */
static int place_value(struct parser *p, const struct event_field *field, unsigned index,
		       struct word word)
{
	uint64_t value = p->values[index];

	if ((p->plans[p->event.kind].size >> index & 1) || field->place == PLACE_LEN ||
	    (field->place == PLACE_ADDR && !p->range_at))
		p->range_at = word.text;
	if (field->place == PLACE_ADDR) {
		p->event.addr = value;
	} else if (field->place == PLACE_LEN) {
		if (value > UINT32_MAX)
			return text_refuse(p, word.text, "%s=%.*s; expected less than 4 GiB",
					   field->key, text_shown(word), word.text);
		p->event.len = (uint32_t)value;
	} else if (field->place == PLACE_AGENT) {
		if (value >= 1u << 20)
			return text_refuse(p, word.text, "pasid=%.*s; expected at most 20 bits",
					   text_shown(word), word.text);
		p->pasid = (uint32_t)value;
	} else if (!((field->type == FIELD_YES || field->type == FIELD_NO) &&
		     value == UINT64_MAX)) {
		p->event.present |= (uint16_t)(1u << index);
	}
	return 0;
}

static int parse_class(struct parser *p, struct word word)
{
	uint64_t value;

	if (text_parse_choice(p, word, "class", "recorded|derived|inferred|reader", &value))
		return -1;
	p->event.flags = (uint8_t)((p->event.flags & ~3u) | value);
	return 0;
}

static int parse_clamped(struct parser *p, struct word word)
{
	static const struct event_field clamped = { .key = "clamped", .type = FIELD_YES };
	uint64_t value = 0;

	if (parse_flag(p, word, &clamped, &value))
		return -1;
	if (value == 1)
		p->event.flags |= EVENT_FLAG_CLAMPED;
	return 0;
}

static int parse_key(struct parser *p, uint32_t *seen)
{
	const struct event_kind_row *row = &event_kinds[p->event.kind];
	struct word key = text_next_word(p, true), word;
	char near[64];
	unsigned f = 0;

	if (*p->at != '=') {
		for (f = 0; f < EVENT_FIELDS; f++)
			if (row->fields[f].type == FIELD_WORD &&
			    text_find_choice(row->fields[f].choices, key, &p->values[f])) {
				p->event.present |= (uint16_t)(1u << f);
				return 0;
			}
		return text_refuse(p, key.text, "'%.*s' where '%s' takes key=value%s",
				   text_shown(key), key.text, row->word,
				   text_hint(key, key_at, row, near, sizeof near));
	}
	p->at++;
	word.text = p->at;
	word = text_next_word(p, false);
	if (text_word_is(key, "class"))
		return parse_class(p, word);
	if (text_word_is(key, "clamped"))
		return parse_clamped(p, word);
	while (f < EVENT_FIELDS &&
	       (row->fields[f].type == FIELD_END || row->fields[f].type == FIELD_WORD_MORE ||
		!text_word_is(key, row->fields[f].key)))
		f++;
	if (f == EVENT_FIELDS || (f == 0 && row->subject == SUBJECT_NEW))
		return text_refuse(p, key.text, "'%s' has no key '%.*s'%s", row->word,
				   text_shown(key), key.text,
				   text_hint(key, key_at, row, near, sizeof near));
	if (*seen >> f & 1)
		return text_refuse(p, key.text, "key '%.*s' stands twice", text_shown(key),
				   key.text);
	*seen |= 1u << f;
	if (parse_value(p, &row->fields[f], f, word))
		return -1;
	return place_value(p, &row->fields[f], f, word);
}

static int check_required(struct parser *p, uint32_t seen, const char *end)
{
	const struct event_kind_row *row = &event_kinds[p->event.kind];

	for (unsigned f = 0; f < EVENT_FIELDS; f++)
		if (row->fields[f].required && !(seen >> f & 1) && !(p->event.present >> f & 1))
			return text_refuse(p, end, "'%s' ends without %s=, which it needs",
					   row->word, row->fields[f].key);
	return 0;
}

static int check_range(struct parser *p, uint32_t seen)
{
	const struct event_kind_row *row = &event_kinds[p->event.kind];
	const struct event_plan *plan = &p->plans[p->event.kind];
	char wrong[EVENT_WRONG];
	bool placed = false;

	for (unsigned f = 0; f < EVENT_FIELDS; f++)
		placed |= row->fields[f].type != FIELD_END && row->fields[f].place == PLACE_ADDR &&
			  (seen >> f & 1);
	if (event_check_range(plan, &p->event, seen & plan->size,
			      plan->size ? p->values[__builtin_ctz(plan->size)] : 0, placed, wrong))
		return text_refuse(p, p->range_at ? p->range_at : p->line, "%s", wrong);
	return 0;
}

/* ---- lines --------------------------------------------------------------------------------- */

static const char *kind_at(const void *ctx, uint32_t i)
{
	(void)ctx;
	return i < EVENT_KINDS ? event_kinds[i].word : NULL;
}

static int parse_kind(struct parser *p)
{
	struct word word = text_next_word(p, false);
	char near[64];

	for (unsigned kind = 0; kind < EVENT_KINDS; kind++) {
		if (text_word_is(word, event_kinds[kind].word)) {
			p->event.kind = (uint8_t)kind;
			return 0;
		}
	}
	if (!word.length)
		return text_refuse(p, word.text, "the line ends after its time; expected an event");
	return text_refuse(p, word.text, "unknown event '%.*s'%s", text_shown(word), word.text,
			   text_hint(word, kind_at, NULL, near, sizeof near));
}

static int parse_verb(struct parser *p)
{
	const struct event_kind_row *row = &event_kinds[p->event.kind];
	struct word word;
	uint64_t verb = 0;

	word = text_next_word(p, false);
	if (text_parse_choice(p, word, "", row->verbs, &verb))
		return -1;
	p->event.flags = (uint8_t)(p->event.flags | verb << 2);
	return 0;
}

/* Whether key=value stands there and not a bare word. */
static bool key_is_next(const struct parser *p)
{
	const char *at = p->at;

	while (*at == ' ' || *at == '\t')
		at++;
	while (*at && *at != ' ' && *at != '\t' && *at != '#' && *at != '=')
		at++;
	return *at == '=';
}

static int parse_when(struct parser *p)
{
	struct word word = text_next_word(p, false);
	bool relative = word.length && word.text[0] == '+';
	struct word number = { word.text + relative, word.length - relative };
	uint64_t last = p->last_ns, *time = &p->event.time_ns;

	if (text_parse_time(p, number, time))
		return -1;
	if (relative) {
		if (*time > UINT64_MAX - last)
			return text_refuse(p, word.text, "time '%.*s' does not fit in 64 bits",
					   text_shown(word), word.text);
		*time += last;
	}
	if (*time < last)
		return text_refuse(
			p, word.text,
			"time %llu ns is before the line above (%llu ns); events stand in "
			"order of time",
			(unsigned long long)*time, (unsigned long long)last);
	return 0;
}

int text_parse_line(struct parser *p)
{
	struct agent agent = { NAME_NONE, NAME_NONE, PASID_NONE };
	uint8_t subject;
	uint32_t seen = 0;
	bool verb; /* is missing yet */

	p->event = (struct event){ .agent = EVENT_NO_AGENT };
	p->pasid = PASID_NONE;
	p->range_at = NULL;
	if (parse_when(p) || parse_kind(p))
		return -1;
	subject = event_kinds[p->event.kind].subject;
	if (parse_subject(p, &agent))
		return -1;
	/* The verb stands first, or (request, respond) behind keys. */
	verb = event_kinds[p->event.kind].verbs != NULL;
	while (verb || !text_at_end(p)) {
		if (verb && !key_is_next(p)) {
			verb = false;
			if (parse_verb(p))
				return -1;
		} else if (parse_key(p, &seen)) {
			return -1;
		}
	}
	if (check_required(p, seen, p->at) || check_range(p, seen))
		return -1;
	agent.pasid = p->pasid;
	if (subject != SUBJECT_NONE && subject != SUBJECT_TEXT && p->event.kind != EVENT_IOMMU &&
	    (agent.device != NAME_NONE || agent.domain != NAME_NONE || agent.pasid != PASID_NONE)) {
		p->event.agent = names_agent(p->names, agent);
		if (p->event.agent == EVENT_NO_AGENT)
			return err_no_memory(p->err, "agents");
	}
	return 0;
}
