/* Maps as flat lists; the contract is in vector_values.h. */
#include "analysis/vector_values.h"

#include <stdio.h>
#include <string.h>

static int flatten_below(const struct value *map, const char *prefix, const char *what,
			 struct flat_values *flat, struct err *err);

static int flatten_one(const struct value *member, const char *name, const char *what,
		       struct flat_values *flat, struct err *err)
{
	struct named_value *value = &flat->values[flat->n];

	if (member->kind != VALUE_TEXT)
		return flatten_below(member, name, what, flat, err);
	if (flat->n == VALUES_MAX)
		return err_set(err, ERR_CONFIG, "%s: %s: expected at most %d values", what, name,
			       VALUES_MAX);
	memcpy(flat->names[flat->n], name, VALUE_NAME_MAX);
	value->name = flat->names[flat->n++];
	value->text = member->text;
	value->number = text_number(member->text, &value->value);
	return 0;
}

static int flatten_below(const struct value *map, const char *prefix, const char *what,
			 struct flat_values *flat, struct err *err)
{
	char name[VALUE_NAME_MAX], index[16];
	unsigned i = 0;

	for (const struct value *member = map->first; member; member = member->next) {
		const char *key = member->key ? member->key : index;
		int length;

		snprintf(index, sizeof index, "%u", i++);
		length = snprintf(name, sizeof name, "%s%s%s", prefix, *prefix ? "." : "", key);
		if (length >= (int)sizeof name)
			return err_set(err, ERR_CONFIG,
				       "%s: %.40s.%.40s: expected a name of less than %d letters",
				       what, prefix, key, VALUE_NAME_MAX);
		if (flatten_one(member, name, what, flat, err))
			return -1;
	}
	return 0;
}

int values_flatten(const struct value *map, const char *what, struct flat_values *flat,
		   struct err *err)
{
	flat->n = 0;
	return map ? flatten_below(map, "", what, flat, err) : 0;
}

const struct named_value *values_find(const struct named_value *values, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(values[i].name, name))
			return &values[i];
	return NULL;
}
