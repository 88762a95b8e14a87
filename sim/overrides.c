#include "sim/overrides.h"

#include <stdlib.h>
#include <string.h>

static const char prefix[] = "devices.";
enum { PREFIX = sizeof prefix - 1, SHOWN = 40 };

void overrides_free(struct setting_overrides *overrides)
{
	free(overrides->all);
}

bool overrides_takes(const char *key)
{
	return !strncmp(key, prefix, PREFIX);
}

/* ---- patterns ------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One part of bus:device.function: up to max in hex digits, or `*`, before `end`. */
static const char *parse_part(const char *at, unsigned max, char end, bool *any, uint32_t *number)
{
	const char *begin = at;

	*number = 0;
	*any = *at == '*';
	if (*any)
		at++;
	for (; !*any && hex_digit(*at) >= 0; at++)
		if ((*number = *number * 16 + (uint32_t)hex_digit(*at)) > max)
			return NULL;
	return at > begin && *at == end ? at + 1 : NULL;
}

/* Answers what follows the pattern and its dot, or NULL. */
static const char *parse_function(const char *text, struct setting_override *override)
{
	static const struct {
		unsigned shift, max;
		char end;
	} parts[] = { { 8, 0xff, ':' }, { 3, 0x1f, '.' }, { 0, 7, '.' } };

	override->mask = ~0xffffu;
	override->id = 0;
	for (unsigned i = 0; text && i < 3; i++) {
		uint32_t number;
		bool any;

		text = parse_part(text, parts[i].max, parts[i].end, &any, &number);
		override->id |= number << parts[i].shift;
		override->mask |= any ? 0 : parts[i].max << parts[i].shift;
	}
	return text;
}

static const char *parse_number(const char *text, struct setting_override *override)
{
	bool hex = text[0] == '0' && (text[1] | 32) == 'x';
	uint64_t number = 0, base = hex ? 16 : 10;
	const char *begin = text + (hex ? 2 : 0), *at = begin;

	for (; hex_digit(*at) >= 0 && hex_digit(*at) < (int)base; at++)
		if ((number = number * base + (uint64_t)hex_digit(*at)) > UINT32_MAX)
			return NULL;
	override->mask = UINT32_MAX;
	override->id = (uint32_t)number;
	return at > begin && *at == '.' ? at + 1 : NULL;
}

/* The KEY behind "devices.PATTERN.", or NULL: no pattern. */
static const char *parse_pattern(const char *key, struct setting_override *override)
{
	const char *text = key + PREFIX, *rest = parse_function(text, override);

	if (!rest)
		rest = parse_number(text, override);
	if (!rest || (size_t)(rest - text) > sizeof override->pattern)
		return NULL;
	memcpy(override->pattern, text, (size_t)(rest - text) - 1);
	override->pattern[rest - text - 1] = 0;
	return rest;
}

/* ---- setting -------------------------------------------------------------------------------- */

static int add(struct setting_overrides *overrides, const struct setting_override *override,
	       struct err *err)
{
	if (overrides->n == overrides->max) {
		size_t max = overrides->max ? overrides->max * 2 : 8;
		struct setting_override *all = realloc(overrides->all, max * sizeof *all);

		if (!all)
			return err_no_memory(err, "a machine description");
		overrides->all = all;
		overrides->max = max;
	}
	overrides->all[overrides->n++] = *override;
	return 0;
}

/* What the same pattern said of the same key before makes room. -1: the same file said it. */
static int replace(struct setting_overrides *overrides, const struct setting_override *override,
		   const char *origin, struct err *err)
{
	for (size_t i = 0; i < overrides->n; i++) {
		struct setting_override *old = &overrides->all[i];

		if (old->row != override->row || old->id != override->id ||
		    old->mask != override->mask)
			continue;
		if (old->line && override->line)
			return err_set(
				err, ERR_CONFIG,
				"%s: '%s' of devices %s stands twice; line %zu has it already",
				origin, old->row->key, old->pattern, old->line);
		memmove(old, old + 1, (overrides->n - i - 1) * sizeof *old);
		overrides->n--;
		break;
	}
	return 0;
}

int overrides_set(const struct setting_table *table, const char *key, const char *value,
		  const char *origin, struct err *err)
{
	struct setting_override override = { .line = table->overrides->line };
	const char *name = parse_pattern(key, &override);
	struct setting_table rows = { table->title, table->rows, table->n, NULL, NULL };

	if (!name)
		return err_set(err, ERR_CONFIG,
			       "%s: '%.*s': expected devices.PATTERN.KEY, where PATTERN is "
			       "bus:device.function in hex digits or * (3b:00.0, 3b:*.*) or a "
			       "requester id as a number",
			       origin, SHOWN, key);
	override.row = settings_find(&rows, 1, name, NULL);
	if (!override.row)
		return settings_refuse_key(&rows, 1, name, origin, err);
	if (settings_parse(override.row, value, origin, &override.value, err) ||
	    replace(table->overrides, &override, origin, err))
		return -1;
	return add(table->overrides, &override, err);
}

/* ---- what was set --------------------------------------------------------------------------- */

void overrides_apply(const struct setting_overrides *overrides, uint32_t requester_id, void *values)
{
	for (size_t i = 0; i < overrides->n; i++) {
		const struct setting_override *override = &overrides->all[i];

		if ((requester_id & override->mask) == override->id)
			memcpy((char *)values + override->row->offset, &override->value,
			       sizeof override->value);
	}
}

void overrides_print(FILE *out, const struct setting_overrides *overrides, const char *between)
{
	char value[64];

	for (size_t i = 0; i < overrides->n; i++) {
		const struct setting_override *override = &overrides->all[i];

		settings_format(override->row, override->value, value, sizeof value);
		fprintf(out, "%s%s.%s%s%s\n", prefix, override->pattern, override->row->key,
			between, value);
	}
}
