/* Reading the text form: one line, one event; every refusal says where and what was expected. */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "traces/event_check.h"
#include "traces/meta.h"
#include "traces/text.h"

enum { LINE_MAX_BYTES = 1 << 20, SLOTS_PER_EVENT = EVENT_FIELDS };

struct text_source {
	struct event_source head;
	FILE *file;
	char *path;
	char *line; /* getline's */
	size_t line_size;
	uint64_t line_number, last_ns, records;
	bool header_seen, ended, broken;
	struct event_plan plans[EVENT_KINDS];
	bool held;  /* line is the first event, not parsed yet */
	char *meta; /* NULL: none */
	size_t meta_n;
	struct err broken_why;
	struct event events[EVENT_BATCH];
	uint32_t lines[EVENT_BATCH]; /* of each event, relative to first_line */
	uint64_t first_line;
	uint64_t slots[EVENT_BATCH * SLOTS_PER_EVENT];
	uint64_t n_slots, first;
};

/* A line being parsed. */
struct parser {
	struct text_source *source;
	const char *at; /* what comes next */
	struct err *err;
	uint64_t values[EVENT_FIELDS];
	struct event event;
	uint32_t pasid;
};

/* A word of the line. */
struct word {
	const char *text;
	size_t length;
};

static int refuse(struct parser *p, const char *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(struct parser *p, const char *at, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return err_set(p->err, ERR_INPUT, "%s:%llu:%zu: %s", p->source->path,
		       (unsigned long long)p->source->line_number,
		       (size_t)(at - p->source->line) + 1, text);
}

/* How much of a word a message shows. */
static int shown(struct word word)
{
	return word.length > 48 ? 48 : (int)word.length;
}

/* ", did you mean 'x'?" or nothing. */
static const char *hint(struct word word, const char *(*candidate)(const void *ctx, uint32_t i),
			const void *ctx, char *text, size_t size)
{
	const char *near = nearest_word(word.text, word.length, candidate, ctx);

	text[0] = 0;
	if (near)
		snprintf(text, size, "; did you mean '%s'?", near);
	return text;
}

static bool word_is(struct word word, const char *text)
{
	return word.length == strlen(text) && !memcmp(word.text, text, word.length);
}

static bool name_character(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '.' || c == ':' || c == '-';
}

static void skip_blanks(struct parser *p)
{
	while (*p->at == ' ' || *p->at == '\t')
		p->at++;
}

static bool at_end(struct parser *p)
{
	skip_blanks(p);
	return *p->at == 0 || *p->at == '#';
}

/* The next word up to a blank, '=' or the end; quoted strings are not words. */
static struct word next_word(struct parser *p, bool stop_at_equals)
{
	struct word word;

	skip_blanks(p);
	word.text = p->at;
	while (*p->at && *p->at != ' ' && *p->at != '\t' && *p->at != '#' &&
	       !(stop_at_equals && *p->at == '='))
		p->at++;
	word.length = (size_t)(p->at - word.text);
	return word;
}

/* ---- values ------------------------------------------------------------------------------- */

static bool digits(struct word *word, uint64_t *value, bool *overflow)
{
	unsigned base = 10;
	size_t i = 0, begin;

	*value = 0;
	*overflow = false;
	if (word->length > 2 && word->text[0] == '0' &&
	    (word->text[1] == 'x' || word->text[1] == 'X')) {
		base = 16;
		i = 2;
	}
	begin = i;
	for (; i < word->length; i++) {
		char c = word->text[i];
		unsigned digit;

		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if (base == 16 && ((c | 32) >= 'a' && (c | 32) <= 'f'))
			digit = (unsigned)((c | 32) - 'a' + 10);
		else
			break;
		if (*value > (UINT64_MAX - digit) / base)
			*overflow = true;
		*value = *value * base + digit;
	}
	if (i == begin)
		return false;
	word->text += i;
	word->length -= i;
	return true;
}

static int parse_number(struct parser *p, struct word word, const char *key, uint64_t *value)
{
	struct word rest = word;
	bool overflow;

	if (!digits(&rest, value, &overflow) || rest.length)
		return refuse(p, word.text, "%s '%.*s'; expected a number, decimal or 0x", key,
			      shown(word), word.text);
	if (overflow)
		return refuse(p, word.text, "%s '%.*s' does not fit in 64 bits", key, shown(word),
			      word.text);
	return 0;
}

static int parse_size(struct parser *p, struct word word, const char *key, uint64_t *value)
{
	static const char units[] = "KMGT";
	struct word rest = word;
	unsigned shift = 0;
	bool overflow;

	if (!digits(&rest, value, &overflow) || rest.length > 1)
		return refuse(p, word.text,
			      "%s '%.*s'; expected a size: a number with K, M, G or T", key,
			      shown(word), word.text);
	if (rest.length) {
		const char *unit = strchr(units, rest.text[0]);

		if (!unit)
			return refuse(p, rest.text, "unit '%c' of %s; expected K, M, G or T",
				      rest.text[0], key);
		shift = 10 * (unsigned)(unit - units + 1);
	}
	if (overflow || (shift && *value >> (64 - shift)))
		return refuse(p, word.text, "%s '%.*s' does not fit in 64 bits", key, shown(word),
			      word.text);
	*value <<= shift;
	return 0;
}

static int parse_time(struct parser *p, struct word word, uint64_t *value)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = { { "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 } };
	struct word rest = word;
	uint64_t scale = 1, part = 0, unit = 1;
	bool overflow;

	if (!digits(&rest, value, &overflow))
		return refuse(p, word.text,
			      "time '%.*s'; expected a number with ns, us, ms or s, or +N",
			      shown(word), word.text);
	if (rest.length && rest.text[0] == '.') {
		rest.text++;
		rest.length--;
		for (; rest.length && *rest.text >= '0' && *rest.text <= '9' && scale < 1000000000;
		     rest.text++, rest.length--) {
			part = part * 10 + (uint64_t)(*rest.text - '0');
			scale *= 10;
		}
	}
	if (rest.length) {
		size_t i = 0;

		while (i < 4 && !word_is(rest, units[i].name))
			i++;
		if (i == 4)
			return refuse(p, rest.text, "time unit '%.*s'; expected ns, us, ms or s",
				      shown(rest), rest.text);
		unit = units[i].ns;
	}
	if (part * unit % scale)
		return refuse(p, word.text, "time '%.*s' is finer than a nanosecond", shown(word),
			      word.text);
	if (overflow || *value > (UINT64_MAX - part * unit / scale) / unit)
		return refuse(p, word.text, "time '%.*s' does not fit in 64 bits", shown(word),
			      word.text);
	*value = *value * unit + part * unit / scale;
	return 0;
}

/* The words of "a|b|c", each in a place of its own. */
struct choices {
	const char *list;
	char words[8][24];
};

static const char *choice_at(const void *ctx, uint32_t index)
{
	struct choices *choices = (struct choices *)ctx;
	const char *at = choices->list;
	uint32_t n = index;
	size_t length;

	while (index--) {
		at = strchr(at, '|');
		if (!at)
			return NULL;
		at++;
	}
	length = strcspn(at, "|");
	if (length >= sizeof choices->words[0] || n >= 8)
		return NULL;
	memcpy(choices->words[n], at, length);
	choices->words[n][length] = 0;
	return choices->words[n];
}

static bool find_choice(const char *list, struct word word, uint64_t *value)
{
	struct choices choices = { .list = list };
	const char *choice;

	for (uint32_t i = 0; (choice = choice_at(&choices, i)); i++) {
		if (word_is(word, choice)) {
			*value = i;
			return true;
		}
	}
	return false;
}

static int parse_choice(struct parser *p, struct word word, const char *key, const char *list,
			uint64_t *value)
{
	struct choices choices = { .list = list };
	char near[64];

	if (find_choice(list, word, value))
		return 0;
	return refuse(p, word.text, "%s%s'%.*s'; expected %s%s", key, *key ? " " : "", shown(word),
		      word.text, list, hint(word, choice_at, &choices, near, sizeof near));
}

static int parse_perm(struct parser *p, struct word word, uint64_t *value)
{
	*value = 0;
	for (size_t i = 0; i < word.length; i++) {
		const char *letter = strchr("rwx", word.text[i]);

		if (!letter)
			return refuse(p, word.text + i,
				      "perm '%.*s'; expected r, w, rw, with x where it applies",
				      shown(word), word.text);
		*value |= *letter == 'r' ? 1u : *letter == 'w' ? 2u : 4u;
	}
	return *value ? 0 : refuse(p, word.text, "perm is empty; expected r, w or rw");
}

/* Takes up to `most` hexadecimal digits, and `end` after them, off the word. */
static bool hex_part(struct word *word, size_t most, char end, uint64_t *value)
{
	struct word rest = *word;
	size_t n = 0;

	*value = 0;
	while (n < rest.length && n < most && isxdigit((unsigned char)rest.text[n])) {
		char c = rest.text[n++];

		*value = *value * 16 + (uint64_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
	}
	if (!n || (end && (n == rest.length || rest.text[n] != end)))
		return false;
	n += end != 0;
	*word = (struct word){ rest.text + n, rest.length - n };
	return true;
}

/* "0000:00:04.0" or "00:04.0": bit 63, segment, bus, device, function; else a number. */
static int parse_device_id(struct parser *p, struct word word, uint64_t *value)
{
	uint64_t segment = 0, bus, slot, function;
	struct word rest = word;

	if (!memchr(word.text, ':', word.length)) {
		if (parse_number(p, word, "id", value))
			return -1;
		if (*value >> 63)
			return refuse(p, word.text, "id '%.*s'; expected less than 2^63",
				      shown(word), word.text);
		return 0;
	}
	if (!(hex_part(&rest, 4, ':', &segment) && hex_part(&rest, 2, ':', &bus))) {
		rest = word;
		segment = 0;
		if (!hex_part(&rest, 2, ':', &bus))
			rest.length = 0;
	}
	if (hex_part(&rest, 2, '.', &slot) && hex_part(&rest, 1, 0, &function) && !rest.length &&
	    slot < 32 && function < 8) {
		*value = 1ull << 63 | segment << 16 | bus << 8 | slot << 3 | function;
		return 0;
	}
	return refuse(
		p, word.text,
		"id '%.*s'; expected segment:bus:device.function as 0000:00:04.0, or a number",
		shown(word), word.text);
}

static int intern(struct parser *p, struct word word, const char *key, uint64_t *value)
{
	uint32_t number;

	for (size_t i = 0; i < word.length; i++)
		if (!name_character(word.text[i]))
			return refuse(p, word.text + i,
				      "'%c' in %s; expected a name of letters, digits and _ . : -",
				      word.text[i], key);
	if (!word.length)
		return refuse(p, word.text, "%s is empty; expected a name", key);
	number = names_string(p->source->head.names, word.text, word.length);
	if (number == NAME_NONE)
		return refuse(p, word.text,
			      "%s: more names than this program keeps, or one over 4 KiB", key);
	*value = number;
	return 0;
}

/* A quoted string, from the quote on. */
static int parse_string(struct parser *p, uint64_t *value)
{
	const char *begin = p->at;
	char *text, *to;
	uint32_t number;

	if (*p->at != '"')
		return refuse(p, p->at, "expected a string in double quotes");
	text = to = strdup(p->at); /* never longer than what is left of the line */
	if (!text)
		return err_no_memory(p->err, "a string");
	for (p->at++; *p->at && *p->at != '"'; p->at++) {
		if (*p->at == '\\' && (p->at[1] == '"' || p->at[1] == '\\'))
			p->at++;
		*to++ = *p->at;
	}
	if (*p->at != '"') {
		free(text);
		return refuse(p, begin, "this string has no closing quote");
	}
	p->at++;
	number = names_string(p->source->head.names, text, (size_t)(to - text));
	free(text);
	if (number == NAME_NONE)
		return refuse(p, begin,
			      "a string over 4 KiB, or more strings than this program keeps");
	*value = number;
	return 0;
}

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
	struct declared declared = { p->source->head.names, table };
	char near[128];

	*number =
		word.length ? names_find(declared.names, table, word.text, word.length) : NAME_NONE;
	if (*number != NAME_NONE)
		return 0;
	if (!word.length)
		return refuse(p, word.text, "expected the name of a declared %s", what);
	return refuse(p, word.text, "%s '%.*s' is not declared%s", what, shown(word), word.text,
		      hint(word, declared_at, &declared, near, sizeof near));
}

static int parse_iommu(struct parser *p, struct word word, uint64_t *value)
{
	struct names *names = p->source->head.names;
	uint32_t number;

	/* without any declaration there is one, called iommu0 */
	if (names_count(names, NAMES_IOMMUS) == 0 && word_is(word, "iommu0"))
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
		return refuse(p, word.text, "expected a name for this %s",
			      event_kinds[p->event.kind].word);
	if (intern(p, word, "name", &p->values[0]))
		return -1;
	number = names_declare(p->source->head.names, table, (uint32_t)p->values[0]);
	if (number == NAME_NONE)
		return refuse(p, word.text, "%s '%.*s' is declared already",
			      event_kinds[p->event.kind].word, shown(word), word.text);
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
	struct word word = next_word(p, true);

	if (*p->at == '=' || !word.length) {
		p->at = begin;
		return device ? refuse(p, begin, "atc=yes and config=yes need a device's name") : 0;
	}
	return device ? find_declared(p, word, NAMES_DEVICES, "device", &agent->device)
		      : find_declared(p, word, NAMES_DOMAINS, "domain", &agent->domain);
}

static int parse_subject(struct parser *p, struct agent *agent)
{
	switch (event_kinds[p->event.kind].subject) {
	case SUBJECT_NEW:
		return declare(p, next_word(p, false), agent);
	case SUBJECT_DOMAIN:
		return find_declared(p, next_word(p, false), NAMES_DOMAINS, "domain",
				     &agent->domain);
	case SUBJECT_DEVICE:
		return find_declared(p, next_word(p, false), NAMES_DEVICES, "device",
				     &agent->device);
	case SUBJECT_DEVICE_DOMAIN:
		return find_declared(p, next_word(p, false), NAMES_DEVICES, "device",
				     &agent->device) ||
				       find_declared(p, next_word(p, false), NAMES_DOMAINS,
						     "domain", &agent->domain)
			       ? -1
			       : 0;
	case SUBJECT_INVAL:
		skip_blanks(p);
		return parse_inval_subject(p, agent);
	case SUBJECT_TEXT:
		skip_blanks(p);
		p->event.present |= 1;
		return parse_string(p, &p->values[0]);
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
			return refuse(p, word.text, "more than four words in w=");
		one.length = comma ? (size_t)(comma - word.text) : word.length;
		if (parse_number(p, one, "w", &p->values[field + n]))
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

	if (word_is(word, other)) { /* the default, said aloud */
		*value = UINT64_MAX;
		return 0;
	}
	if (!word_is(word, expected))
		return refuse(p, word.text, "%s '%.*s'; expected yes or no", field->key,
			      shown(word), word.text);
	*value = 1;
	return 0;
}

static int parse_value(struct parser *p, const struct event_field *field, unsigned index,
		       struct word word)
{
	uint64_t *value = &p->values[index];

	switch (field->type) {
	case FIELD_SIZE:
		return parse_size(p, word, field->key, value);
	case FIELD_TIME:
		return parse_time(p, word, value);
	case FIELD_YES:
	case FIELD_NO:
		return parse_flag(p, word, field, value);
	case FIELD_CHOICE:
		return parse_choice(p, word, field->key, field->choices, value);
	case FIELD_PERM:
		return parse_perm(p, word, value);
	case FIELD_NAME:
		return intern(p, word, field->key, value);
	case FIELD_IOMMU:
		return parse_iommu(p, word, value);
	case FIELD_DEVICE_ID:
		return parse_device_id(p, word, value);
	case FIELD_WORDS:
		return parse_words(p, word, index);
	case FIELD_OR_NONE:
		if (word_is(word, "none")) {
			*value = UINT64_MAX;
			return 0;
		}
		return parse_number(p, word, field->key, value);
	default:
		return parse_number(p, word, field->key, value);
	}
}

/* Puts a parsed value where the head or the slots keep it. */
static int place_value(struct parser *p, const struct event_field *field, unsigned index,
		       struct word word)
{
	uint64_t value = p->values[index];

	if (field->place == PLACE_ADDR) {
		p->event.addr = value;
	} else if (field->place == PLACE_LEN) {
		if (value > UINT32_MAX)
			return refuse(p, word.text, "%s=%.*s; expected less than 4 GiB", field->key,
				      shown(word), word.text);
		p->event.len = (uint32_t)value;
	} else if (field->place == PLACE_AGENT) {
		if (value >= 1u << 20)
			return refuse(p, word.text, "pasid=%.*s; expected at most 20 bits",
				      shown(word), word.text);
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

	if (parse_choice(p, word, "class", "recorded|derived|inferred|reader", &value))
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
	struct word key = next_word(p, true), word;
	char near[64];
	unsigned f = 0;

	if (*p->at != '=') {
		for (f = 0; f < EVENT_FIELDS; f++)
			if (row->fields[f].type == FIELD_WORD &&
			    find_choice(row->fields[f].choices, key, &p->values[f])) {
				p->event.present |= (uint16_t)(1u << f);
				return 0;
			}
		return refuse(p, key.text, "'%.*s' where '%s' takes key=value%s", shown(key),
			      key.text, row->word, hint(key, key_at, row, near, sizeof near));
	}
	p->at++;
	word.text = p->at;
	word = next_word(p, false);
	if (word_is(key, "class"))
		return parse_class(p, word);
	if (word_is(key, "clamped"))
		return parse_clamped(p, word);
	while (f < EVENT_FIELDS &&
	       (row->fields[f].type == FIELD_END || row->fields[f].type == FIELD_WORD_MORE ||
		!word_is(key, row->fields[f].key)))
		f++;
	if (f == EVENT_FIELDS || (f == 0 && row->subject == SUBJECT_NEW))
		return refuse(p, key.text, "'%s' has no key '%.*s'%s", row->word, shown(key),
			      key.text, hint(key, key_at, row, near, sizeof near));
	if (*seen >> f & 1)
		return refuse(p, key.text, "key '%.*s' stands twice", shown(key), key.text);
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
			return refuse(p, end, "'%s' ends without %s=, which it needs", row->word,
				      row->fields[f].key);
	return 0;
}

static int check_range(struct parser *p, uint32_t seen)
{
	const struct event_kind_row *row = &event_kinds[p->event.kind];
	const struct event_plan *plan = &p->source->plans[p->event.kind];
	char wrong[EVENT_WRONG];
	bool placed = false;

	for (unsigned f = 0; f < EVENT_FIELDS; f++)
		placed |= row->fields[f].type != FIELD_END && row->fields[f].place == PLACE_ADDR &&
			  (seen >> f & 1);
	if (event_check_range(plan, &p->event, seen & plan->size,
			      plan->size ? p->values[__builtin_ctz(plan->size)] : 0, placed, wrong))
		return refuse(p, p->source->line, "%s", wrong);
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
	struct word word = next_word(p, false);
	char near[64];

	for (unsigned kind = 0; kind < EVENT_KINDS; kind++) {
		if (word_is(word, event_kinds[kind].word)) {
			p->event.kind = (uint8_t)kind;
			return 0;
		}
	}
	if (!word.length)
		return refuse(p, word.text, "the line ends after its time; expected an event");
	return refuse(p, word.text, "unknown event '%.*s'%s", shown(word), word.text,
		      hint(word, kind_at, NULL, near, sizeof near));
}

static int parse_verb(struct parser *p)
{
	const struct event_kind_row *row = &event_kinds[p->event.kind];
	struct word word;
	uint64_t verb = 0;

	word = next_word(p, false);
	if (parse_choice(p, word, "", row->verbs, &verb))
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
	struct word word = next_word(p, false);
	bool relative = word.length && word.text[0] == '+';
	struct word number = { word.text + relative, word.length - relative };
	uint64_t last = p->source->last_ns, *time = &p->event.time_ns;

	if (parse_time(p, number, time))
		return -1;
	if (relative) {
		if (*time > UINT64_MAX - last)
			return refuse(p, word.text, "time '%.*s' does not fit in 64 bits",
				      shown(word), word.text);
		*time += last;
	}
	if (*time < last)
		return refuse(p, word.text,
			      "time %llu ns is before the line above (%llu ns); events stand in "
			      "order of time",
			      (unsigned long long)*time, (unsigned long long)last);
	return 0;
}

static int parse_line(struct parser *p)
{
	struct agent agent = { NAME_NONE, NAME_NONE, PASID_NONE };
	uint8_t subject;
	uint32_t seen = 0;
	bool verb; /* is missing yet */

	p->event = (struct event){ .agent = EVENT_NO_AGENT };
	p->pasid = PASID_NONE;
	if (parse_when(p) || parse_kind(p))
		return -1;
	subject = event_kinds[p->event.kind].subject;
	if (parse_subject(p, &agent))
		return -1;
	/* The verb stands first, or (request, respond) behind keys. */
	verb = event_kinds[p->event.kind].verbs != NULL;
	while (verb || !at_end(p)) {
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
		p->event.agent = names_agent(p->source->head.names, agent);
		if (p->event.agent == EVENT_NO_AGENT)
			return err_no_memory(p->err, "agents");
	}
	return 0;
}

static void take_event(struct text_source *source, struct parser *p, size_t n)
{
	p->event.slot = (uint32_t)source->n_slots;
	for (unsigned f = 0; f < EVENT_FIELDS; f++)
		if (p->event.present >> f & 1)
			source->slots[source->n_slots++] = p->values[f];
	source->events[n] = p->event;
	source->lines[n] = (uint32_t)(source->line_number - source->first_line);
	source->last_ns = p->event.time_ns;
}

/* One line without its end; 1: there, 0: the end of the file. */
static int read_line(struct text_source *source, struct err *err)
{
	ssize_t length = getline(&source->line, &source->line_size, source->file);

	if (length < 0) {
		if (ferror(source->file))
			return err_set(err, ERR_IO, "%s: cannot be read after line %llu",
				       source->path, (unsigned long long)source->line_number);
		return 0;
	}
	source->line_number++;
	source->head.offset += (uint64_t)length;
	if (length > LINE_MAX_BYTES)
		return err_set(err, ERR_INPUT,
			       "%s:%llu: a line of %zd bytes; expected at most 1 MiB", source->path,
			       (unsigned long long)source->line_number, length);
	if (memchr(source->line, 0, (size_t)length))
		return err_set(err, ERR_INPUT, "%s:%llu:%zu: a NUL byte; expected text",
			       source->path, (unsigned long long)source->line_number,
			       strlen(source->line) + 1);
	while (length && (source->line[length - 1] == '\n' || source->line[length - 1] == '\r'))
		source->line[--length] = 0;
	return 1;
}

static int check_header(struct text_source *source, struct err *err)
{
	unsigned version;
	char extra;

	if (sscanf(source->line, "# iommusim events %u %c", &version, &extra) != 1)
		return err_set(err, ERR_INPUT,
			       "%s:%llu: '%.60s'; expected the header '# iommusim events 1'",
			       source->path, (unsigned long long)source->line_number, source->line);
	if (version != 1)
		return err_set(err, ERR_INPUT, "%s:%llu: version %u; this program reads version 1",
			       source->path, (unsigned long long)source->line_number, version);
	source->header_seen = true;
	return 0;
}

/* "# meta key = value": kept; every other comment is not. -1: *err says why not. */
static int take_comment(struct text_source *source, struct err *err)
{
	static const char prefix[] = "# meta ";
	size_t n = strlen(source->line), add;
	char *meta;

	if (strncmp(source->line, prefix, sizeof prefix - 1) != 0)
		return 0;
	add = n - (sizeof prefix - 1);
	if (source->meta_n + add + 1 > META_MAX)
		return err_set(err, ERR_LIMIT, "%s:%llu: more than 1 MiB of META", source->path,
			       (unsigned long long)source->line_number);
	meta = realloc(source->meta, source->meta_n + add + 2);
	if (!meta)
		return err_no_memory(err, "META");
	memcpy(meta + source->meta_n, source->line + sizeof prefix - 1, add);
	source->meta = meta;
	source->meta_n += add + 1;
	meta[source->meta_n - 1] = '\n';
	meta[source->meta_n] = 0;
	return 0;
}

/* Up to the first event, whose line is held: where a recording comes from is known from the start. */
static void read_head(struct text_source *source)
{
	struct parser parser = { .source = source, .err = &source->broken_why };

	while (!source->held && !source->ended && !source->broken) {
		int got = read_line(source, &source->broken_why);

		source->ended = got == 0;
		source->broken = got < 0;
		if (got <= 0)
			return;
		if (!source->header_seen) {
			source->broken = check_header(source, &source->broken_why) != 0;
			continue;
		}
		parser.at = source->line;
		source->held = !at_end(&parser);
		if (!source->held)
			source->broken = take_comment(source, &source->broken_why) != 0;
	}
}

/* Reads until the batch is full; what came before a bad line is delivered first. */
static int text_next(struct event_source *head, struct event_batch *batch, struct err *err)
{
	struct text_source *source = (struct text_source *)head;
	struct parser parser = { .source = source, .err = &source->broken_why };
	size_t n = 0;

	source->n_slots = 0;
	source->first = source->records;
	source->first_line = source->line_number;
	while (n < EVENT_BATCH && !source->ended && !source->broken) {
		int got = source->held ? 1 : read_line(source, &source->broken_why);

		source->held = false;
		if (got == 0) {
			source->ended = true;
		} else if (got < 0) {
			source->broken = true;
		} else {
			parser.at = source->line;
			if (at_end(&parser))
				continue;
			if (parse_line(&parser))
				source->broken = true;
			else
				take_event(source, &parser, n++);
		}
	}
	if (!n && source->broken) {
		if (err)
			*err = source->broken_why;
		return -1;
	}
	if (!n && !source->header_seen)
		return err_set(err, ERR_INPUT,
			       "%s: empty; expected the header '# iommusim events 1'",
			       source->path);
	source->records += n;
	*batch = (struct event_batch){ source->events, source->slots, n, source->first };
	return n > 0;
}

static void text_where(const struct event_source *head, uint64_t number, char *text, size_t size)
{
	const struct text_source *source = (const struct text_source *)head;
	uint64_t line = source->line_number;

	if (number >= source->first && number - source->first < EVENT_BATCH)
		line = source->first_line + source->lines[number - source->first];
	snprintf(text, size, "%s:%llu", source->path, (unsigned long long)line);
}

static void text_close(struct event_source *head)
{
	struct text_source *source = (struct text_source *)head;

	fclose(source->file);
	names_destroy(head->names);
	free(source->path);
	free(source->line);
	free(source->meta);
	free(source);
}

int text_source_open(FILE *file, const char *path, struct event_source **out, struct err *err)
{
	static const struct event_source_ops ops = { text_next, text_where, text_close };
	struct text_source *source = calloc(1, sizeof *source);

	if (source)
		source->path = strdup(path);
	if (!source || !source->path || names_create(&source->head.names)) {
		fclose(file);
		if (source)
			free(source->path);
		free(source);
		return err_no_memory(err, "a text reader");
	}
	source->head.ops = &ops;
	source->head.kind = "text";
	event_plans_make(source->plans);
	source->file = file;
	read_head(source);
	source->head.meta = source->meta;
	source->head.uncertainty_ns = meta_uncertainty_ns(source->meta);
	*out = &source->head;
	return 0;
}
