#include <string.h>

#include "hw/vectors.h"

const struct named_value *named_value_find(const struct named_value *values, size_t n,
					   const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(values[i].name, name))
			return &values[i];
	return NULL;
}

int named_values_only(const char *action, const struct named_value *values, size_t n,
		      const char *const *names, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		size_t at = 0;

		while (names[at] && strcmp(names[at], values[i].name) != 0)
			at++;
		if (!names[at])
			return err_set(err, ERR_CONFIG, "%s: unknown key '%.40s'; expected %s, ...",
				       action, values[i].name, names[0]);
	}
	return 0;
}
