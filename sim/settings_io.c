#include "sim/settings_io.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "sim/overrides.h"
#include "traces/event.h"

enum { KEY_MAX = 128, WORD_MAX = 48, VALUE_MAX = 64, EXPECTED_MAX = 320 };

/* ---- rows ----------------------------------------------------------------------------------- */

const struct setting *settings_row(const struct setting_table *tables, size_t n, size_t i,
				   const struct setting_table **table)
{
	for (size_t t = 0; t < n; t++) {
		for (size_t r = 0; tables[t].n ? r < tables[t].n : tables[t].rows[r].key != NULL;
		     r++) {
			if (i-- == 0) {
				*table = &tables[t];
				return &tables[t].rows[r];
			}
		}
	}
	return NULL;
}

const struct setting *settings_find(const struct setting_table *tables, size_t n, const char *key,
				    size_t *number)
{
	const struct setting_table *table;
	const struct setting *row;

	for (size_t i = 0; (row = settings_row(tables, n, i, &table)); i++) {
		if (strcmp(row->key, key) != 0)
			continue;
		if (number)
			*number = i;
		return row;
	}
	return NULL;
}

static uint64_t *field_of(const struct setting_table *table, const struct setting *row)
{
	assert(table && table->values);
	return (uint64_t *)(void *)((char *)table->values + row->offset);
}

uint64_t settings_get(const struct setting_table *table, const struct setting *row)
{
	return *field_of(table, row);
}

void settings_defaults(const struct setting_table *tables, size_t n)
{
	const struct setting_table *table;
	const struct setting *row;

	for (size_t i = 0; (row = settings_row(tables, n, i, &table)); i++)
		*field_of(table, row) = row->value;
}

/* ---- units ---------------------------------------------------------------------------------- */

/* Largest first. */
static const struct {
	enum setting_type type;
	const char *name;
	uint64_t unit;
} units[] = {
	{ SETTING_NS, "s", 1000000000 },    { SETTING_NS, "ms", 1000000 },
	{ SETTING_NS, "us", 1000 },	    { SETTING_NS, "ns", 1 },
	{ SETTING_BYTES, "G", 1ull << 30 }, { SETTING_BYTES, "M", 1ull << 20 },
	{ SETTING_BYTES, "K", 1ull << 10 },
};

enum { UNITS = sizeof units / sizeof units[0] };

/* The unit called `name`; no name means the smallest. 0: there is none. */
static uint64_t unit_of(enum setting_type type, const char *name)
{
	for (unsigned i = 0; i < UNITS; i++)
		if (units[i].type == type && !strcmp(units[i].name, name))
			return units[i].unit;
	return *name ? 0 : 1;
}

/* The largest unit that divides the value. */
static void format_number(enum setting_type type, uint64_t value, char *text, size_t size)
{
	for (unsigned i = 0; value && i < UNITS; i++) {
		if (units[i].type == type && value % units[i].unit == 0) {
			snprintf(text, size, "%" PRIu64 "%s", value / units[i].unit, units[i].name);
			return;
		}
	}
	snprintf(text, size, "%" PRIu64 "%s", value, type == SETTING_NS ? "ns" : "");
}

/* ---- choices -------------------------------------------------------------------------------- */

/* Word number `index` of "a|b|c", its length in *length; NULL past the last. */
static const char *choice_of(const char *choices, uint64_t index, size_t *length)
{
	while (choices && index--) {
		choices = strchr(choices, '|');
		choices = choices ? choices + 1 : NULL;
	}
	*length = choices ? strcspn(choices, "|") : 0;
	return choices;
}

static bool find_choice(const char *choices, const char *text, uint64_t *index)
{
	const char *word;
	size_t length;

	for (*index = 0; (word = choice_of(choices, *index, &length)); ++*index)
		if (length == strlen(text) && !memcmp(word, text, length))
			return true;
	return false;
}

/* One choice at a time, for nearest_word(): what it keeps is told apart by place. */
struct choice_words {
	const char *choices;
	char words[16][WORD_MAX];
};

static const char *choice_at(const void *ctx, uint32_t i)
{
	struct choice_words *words = (struct choice_words *)ctx;
	size_t length;
	const char *word = choice_of(words->choices, i, &length);

	if (!word || i >= 16 || length >= WORD_MAX)
		return NULL;
	memcpy(words->words[i], word, length);
	words->words[i][length] = 0;
	return words->words[i];
}

void settings_format(const struct setting *row, uint64_t value, char *text, size_t size)
{
	const char *word;
	size_t length;

	if (row->type == SETTING_CHOICE) {
		word = choice_of(row->values, value, &length);
		snprintf(text, size, "%.*s", (int)length, word ? word : "?");
	} else if (row->type == SETTING_BOOL) {
		snprintf(text, size, "%s", value ? "yes" : "no");
	} else {
		format_number(row->type, value, text, size);
	}
}

/* ---- one value ------------------------------------------------------------------------------ */

static bool parse_digits(const char *text, const char **rest, uint64_t *value)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	unsigned base = hex ? 16 : 10;
	const char *begin = text + (hex ? 2 : 0), *at = begin;

	for (*value = 0;; at++) {
		unsigned digit;

		if (*at >= '0' && *at <= '9')
			digit = (unsigned)(*at - '0');
		else if (hex && (*at | 32) >= 'a' && (*at | 32) <= 'f')
			digit = (unsigned)((*at | 32) - 'a' + 10);
		else
			break;
		if (*value > (UINT64_MAX - digit) / base)
			return false;
		*value = *value * base + digit;
	}
	*rest = at;
	return at > begin;
}

static bool parse_number(const struct setting *row, const char *text, uint64_t *value)
{
	const char *rest;
	uint64_t unit;

	if (!parse_digits(text, &rest, value))
		return false;
	unit = unit_of(row->type, rest);
	if (!unit || *value > UINT64_MAX / unit)
		return false;
	*value *= unit;
	return *value >= row->min && *value <= row->max;
}

static bool parse_value(const struct setting *row, const char *text, uint64_t *value)
{
	switch (row->type) {
	case SETTING_BOOL:
		*value = !strcmp(text, "yes") || !strcmp(text, "true");
		return *value || !strcmp(text, "no") || !strcmp(text, "false");
	case SETTING_CHOICE:
		return find_choice(row->values, text, value);
	default:
		return parse_number(row, text, value);
	}
}

const char *settings_unit(const struct setting *row)
{
	switch (row->type) {
	case SETTING_COUNT:
		return row->values;
	case SETTING_NS:
		return "ns";
	case SETTING_BYTES:
		return "bytes";
	default:
		return "";
	}
}

/* "1 to 4096", "1us to 10s", "lru|fifo", "yes|no". */
static void format_range(const struct setting *row, char *text, size_t size)
{
	char min[VALUE_MAX], max[VALUE_MAX];

	if (row->type == SETTING_CHOICE || row->type == SETTING_BOOL) {
		snprintf(text, size, "%s", row->type == SETTING_BOOL ? "yes|no" : row->values);
		return;
	}
	format_number(row->type, row->min, min, sizeof min);
	format_number(row->type, row->max, max, sizeof max);
	if (row->max == UINT64_MAX)
		snprintf(text, size, "%s or more", min);
	else
		snprintf(text, size, "%s to %s", min, max);
}

static const char *expectation(const struct setting *row, const char *value, char *text,
			       size_t size)
{
	static const char *const forms[] = { [SETTING_COUNT] = "a number, decimal or 0x, ",
					     [SETTING_NS] = "a whole number with ns, us, ms or s, ",
					     [SETTING_BYTES] =
						     "a whole number of bytes, or with K, M or G, ",
					     [SETTING_BOOL] = "",
					     [SETTING_CHOICE] = "one of " };
	struct choice_words words = { .choices = row->values };
	char range[EXPECTED_MAX / 2];
	const char *near = NULL;

	format_range(row, range, sizeof range);
	if (row->type == SETTING_CHOICE)
		near = nearest_word(value, strlen(value), choice_at, &words);
	snprintf(text, size, "%s%s%s%s%s", forms[row->type], range, near ? "; did you mean '" : "",
		 near ? near : "", near ? "'?" : "");
	return text;
}

/* What a message shows of a text that comes from outside: short, one line, printable. */
static const char *shown(const char *text, char *copy, size_t size)
{
	size_t n = 0;

	for (; text[n] && n + 4 < size; n++)
		copy[n] = (unsigned char)text[n] < 32 || text[n] == 127 ? '?' : text[n];
	snprintf(copy + n, size - n, "%s", text[n] ? "..." : "");
	return copy;
}

static int refuse_value(const struct setting *row, const char *value, const char *origin,
			struct err *err)
{
	char expected[EXPECTED_MAX], copy[VALUE_MAX];

	if (!*value)
		return err_set(err, ERR_CONFIG, "%s: %s has no value; expected %s", origin,
			       row->key, expectation(row, value, expected, sizeof expected));
	return err_set(err, ERR_CONFIG, "%s: %s is '%s'; expected %s", origin, row->key,
		       shown(value, copy, sizeof copy),
		       expectation(row, value, expected, sizeof expected));
}

int settings_parse(const struct setting *row, const char *text, const char *origin, uint64_t *value,
		   struct err *err)
{
	uint64_t number;

	if (!parse_value(row, text, &number))
		return refuse_value(row, text, origin, err);
	*value = number;
	return 0;
}

/* ---- keys ----------------------------------------------------------------------------------- */

struct table_list {
	const struct setting_table *tables;
	size_t n;
};

static const char *key_at(const void *ctx, uint32_t i)
{
	const struct table_list *list = ctx;
	const struct setting_table *table;
	const struct setting *row = settings_row(list->tables, list->n, i, &table);

	return row ? row->key : NULL;
}

/* The key that was probably meant: one letter off, or written without its first parts. */
static const char *nearest_key(const struct table_list *list, const char *key)
{
	const char *near = nearest_word(key, strlen(key), key_at, list), *candidate;
	size_t length = strlen(key);

	for (uint32_t i = 0; !near && length && (candidate = key_at(list, i)); i++) {
		size_t n = strlen(candidate);

		if (n > length && candidate[n - length - 1] == '.' &&
		    !strcmp(candidate + n - length, key))
			near = candidate;
	}
	return near;
}

/* A key that others begin with: "vtd" of "vtd.haw". */
static const char *member_of(const struct table_list *list, const char *key)
{
	size_t length = strlen(key);
	const char *candidate;

	for (uint32_t i = 0; length && (candidate = key_at(list, i)); i++)
		if (!strncmp(candidate, key, length) && candidate[length] == '.')
			return candidate;
	return NULL;
}

/* A setting that stands in front of the key: "vtd.haw" of "vtd.haw.bits". */
static const char *setting_within(const struct table_list *list, const char *key)
{
	const char *candidate;

	for (uint32_t i = 0; (candidate = key_at(list, i)); i++)
		if (!strncmp(key, candidate, strlen(candidate)) && key[strlen(candidate)] == '.')
			return candidate;
	return NULL;
}

int settings_refuse_key(const struct setting_table *tables, size_t n, const char *key,
			const char *origin, struct err *err)
{
	const struct table_list all = { tables, n }, *list = &all;
	const char *member = member_of(list, key), *within = setting_within(list, key);
	const char *near = nearest_key(list, key);
	char copy[KEY_MAX];

	shown(key, copy, sizeof copy);
	if (member)
		return err_set(err, ERR_CONFIG,
			       "%s: '%s' is a group of keys and has no value; expected one of "
			       "them, as '%s'",
			       origin, copy, member);
	if (within)
		return err_set(
			err, ERR_CONFIG,
			"%s: unknown key '%s'; '%s' takes one value and has no keys under it",
			origin, copy, within);
	if (near)
		return err_set(err, ERR_CONFIG, "%s: unknown key '%s'; did you mean '%s'?", origin,
			       copy, near);
	return err_set(err, ERR_CONFIG,
		       "%s: unknown key '%s'; 'iommusim models NAME' lists all keys", origin, copy);
}

int settings_set_key(const struct setting_table *tables, size_t n, const char *key,
		     const char *value, const char *origin, struct err *err)
{
	const struct setting_table *table;
	const struct setting *row;
	size_t i;

	for (size_t t = 0; t < n; t++)
		if (tables[t].overrides && overrides_takes(key))
			return overrides_set(&tables[t], key, value, origin, err);
	if (!settings_find(tables, n, key, &i))
		return settings_refuse_key(tables, n, key, origin, err);
	row = settings_row(tables, n, i, &table);
	return settings_parse(row, value, origin, field_of(table, row), err);
}

int settings_set(const struct setting_table *tables, size_t n, const char *text, const char *origin,
		 struct err *err)
{
	const char *equals = strchr(text, '=');
	char key[KEY_MAX], copy[VALUE_MAX];

	if (!equals || equals == text)
		return err_set(err, ERR_USAGE, "%s: '%s'; expected key=value", origin,
			       shown(text, copy, sizeof copy));
	if ((size_t)(equals - text) >= sizeof key)
		return err_set(err, ERR_USAGE, "%s: a key of %zu bytes, '%s'; expected at most %d",
			       origin, (size_t)(equals - text), shown(text, copy, sizeof copy),
			       KEY_MAX - 1);
	memcpy(key, text, (size_t)(equals - text));
	key[equals - text] = 0;
	return settings_set_key(tables, n, key, equals + 1, origin, err);
}

/* ---- printing ------------------------------------------------------------------------------- */

void settings_print_yaml(FILE *out, const struct setting_table *tables, size_t n)
{
	const struct setting_table *table, *prior = NULL;
	const struct setting *row;
	char value[VALUE_MAX], standard[VALUE_MAX], range[EXPECTED_MAX];

	for (size_t i = 0; (row = settings_row(tables, n, i, &table)); i++) {
		if (table != prior)
			fprintf(out, "%s# ---- %s ----\n\n", prior ? "\n" : "", table->title);
		prior = table;
		settings_format(row, settings_get(table, row), value, sizeof value);
		settings_format(row, row->value, standard, sizeof standard);
		format_range(row, range, sizeof range);
		fprintf(out, "# %s (%s)", row->doc, range);
		if (settings_get(table, row) != row->value)
			fprintf(out, ", default %s", standard);
		if (row->source && *row->source)
			fprintf(out, "; source: %s", row->source);
		fprintf(out, "\n%s: %s\n", row->key, value);
	}
	for (size_t t = 0; t < n; t++)
		if (tables[t].overrides && tables[t].overrides->n) {
			fprintf(out, "\n# ---- %s, some of them ----\n\n", tables[t].title);
			overrides_print(out, tables[t].overrides, ": ");
		}
}

static int key_width(const struct setting_table *tables, size_t n)
{
	const struct setting_table *table;
	const struct setting *row;
	size_t width = 0;

	for (size_t i = 0; (row = settings_row(tables, n, i, &table)); i++)
		width = strlen(row->key) > width ? strlen(row->key) : width;
	return (int)width;
}

void settings_print_help(FILE *out, const struct setting_table *tables, size_t n)
{
	const struct setting_table *table, *prior = NULL;
	int width = key_width(tables, n);
	const struct setting *row;
	char standard[VALUE_MAX], range[EXPECTED_MAX];

	for (size_t i = 0; (row = settings_row(tables, n, i, &table)); i++) {
		if (table != prior)
			fprintf(out, "%s%s\n  %-*s  %-12s  %s\n", prior ? "\n" : "", table->title,
				width, "key", "default", "values");
		prior = table;
		settings_format(row, row->value, standard, sizeof standard);
		format_range(row, range, sizeof range);
		fprintf(out, "  %-*s  %-12s  %s%s%s\n      %s", width, row->key, standard, range,
			row->type == SETTING_COUNT ? " " : "",
			row->type == SETTING_COUNT ? row->values : "", row->doc);
		if (row->source && *row->source)
			fprintf(out, " [%s]", row->source);
		fputc('\n', out);
	}
}

int settings_canonical(const struct setting_table *tables, size_t n, char **out)
{
	const struct setting_table *table;
	const struct setting *row;
	char value[VALUE_MAX], *text = NULL;
	size_t size;
	bool failed;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return -1;
	for (size_t i = 0; (row = settings_row(tables, n, i, &table)); i++) {
		settings_format(row, settings_get(table, row), value, sizeof value);
		fprintf(file, "%s=%s\n", row->key, value);
	}
	for (size_t t = 0; t < n; t++)
		if (tables[t].overrides)
			overrides_print(file, tables[t].overrides, "=");
	failed = ferror(file) != 0;
	if (fclose(file) || failed) {
		free(text);
		return -1;
	}
	*out = text;
	return 0;
}
