/*
 * The parts of the text reader among themselves: a line that is being parsed, its words and values.
 *
 * Whatever is wrong is said by text_refuse() with file, line and column; all functions that can refuse
 * answer 0 or -1. Words point into the line.
 */
#ifndef IOMMUSIM_TRACES_TEXT_PRIVATE_H
#define IOMMUSIM_TRACES_TEXT_PRIVATE_H

#include "traces/event_check.h"
#include "traces/text.h"

struct parser {
	const char *path, *line; /* of the file, for messages */
	uint64_t line_number, last_ns;
	struct names *names;
	const struct event_plan *plans;
	const char *at; /* what comes next in the line */
	struct err *err;
	uint64_t values[EVENT_FIELDS];
	struct event event;
	uint32_t pasid;
	const char *range_at; /* where address and length stand, for messages */
};

/* A word of the line. */
struct word {
	const char *text;
	size_t length;
};

/* text_words.c */
int text_refuse(struct parser *p, const char *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int text_shown(struct word word);
const char *text_hint(struct word word, const char *(*candidate)(const void *ctx, uint32_t i),
		      const void *ctx, char *text, size_t size);
bool text_word_is(struct word word, const char *text);
void text_skip_blanks(struct parser *p);
bool text_at_end(struct parser *p);
struct word text_next_word(struct parser *p, bool stop_at_equals);

/* text_values.c */
int text_parse_number(struct parser *p, struct word word, const char *key, uint64_t *value);
int text_parse_size(struct parser *p, struct word word, const char *key, uint64_t *value);
int text_parse_time(struct parser *p, struct word word, uint64_t *value);
bool text_find_choice(const char *list, struct word word, uint64_t *value);
int text_parse_choice(struct parser *p, struct word word, const char *key, const char *list,
		      uint64_t *value);
int text_parse_perm(struct parser *p, struct word word, uint64_t *value);
int text_parse_device_id(struct parser *p, struct word word, uint64_t *value);
int text_parse_name(struct parser *p, struct word word, const char *key, uint64_t *value);
int text_parse_string(struct parser *p, uint64_t *value);

/* text_line.c: the line from p->at on becomes p->event with p->values. */
int text_parse_line(struct parser *p);

#endif
