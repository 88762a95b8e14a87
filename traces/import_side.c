/* Counting what an import leaves out: by event name, and bad lines with the first one's reason. */
#include "traces/import_parts.h"

#include <stdio.h>
#include <stdlib.h>

const char *const import_how_names[IMPORT_HOWS] = {
	"none", "command", "device", "answer", "paired", "likely", "free", "task", "only",
};

void side_skip(struct import_side *side, const char *name, size_t length)
{
	size_t kept = length < IMPORT_NAME_BYTES - 1 ? length : IMPORT_NAME_BYTES - 1;

	for (unsigned i = 0; i < side->skipped_names; i++) {
		struct import_skip *skip = &side->skipped[i];

		if (memcmp(skip->name, name, kept) == 0 && skip->name[kept] == '\0') {
			skip->count++;
			/* Frequent names drift to the front, so that they are found at once. */
			if (i > 0 && skip->count > skip[-1].count) {
				struct import_skip moved = *skip;

				*skip = skip[-1];
				skip[-1] = moved;
			}
			return;
		}
	}
	if (side->skipped_names == IMPORT_NAMES) {
		side->skipped_other++;
		return;
	}
	line_excerpt(name, kept, side->skipped[side->skipped_names].name, IMPORT_NAME_BYTES);
	side->skipped[side->skipped_names++].count = 1;
}

void line_excerpt(const char *text, size_t length, char *out, size_t size)
{
	size_t i;

	for (i = 0; i < length && i + 1 < size; i++)
		out[i] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '.';
	out[i] = '\0';
}

int side_bad(struct import_side *side, bool strict, const char *path, const struct line *line,
	     const char *expected, struct err *err)
{
	char excerpt[100];

	if (side->bad++ > 0 && !strict)
		return 0;
	line_excerpt(line->text, line->length, excerpt, sizeof excerpt);
	snprintf(side->first_bad, sizeof side->first_bad, "line %llu: expected %s; found \"%s\"",
		 (unsigned long long)line->number, expected, excerpt);
	if (!strict)
		return 0;
	return err_set(err, ERR_INPUT,
		       "%s: %s; correct the line, or import without --strict to "
		       "leave it out",
		       path, side->first_bad);
}

int side_bad_record(struct import_side *side, bool strict, const char *path, const char *why,
		    struct err *err)
{
	if (side->bad++ > 0 && !strict)
		return 0;
	snprintf(side->first_bad, sizeof side->first_bad, "%s", why);
	if (!strict)
		return 0;
	return err_set(err, ERR_INPUT, "%s: %s; import without --strict to leave it out", path,
		       why);
}

static int by_count(const void *a, const void *b)
{
	const struct import_skip *left = a, *right = b;

	if (left->count != right->count)
		return left->count < right->count ? 1 : -1;
	return strcmp(left->name, right->name);
}

void side_sort(struct import_side *side)
{
	qsort(side->skipped, side->skipped_names, sizeof side->skipped[0], by_count);
}
