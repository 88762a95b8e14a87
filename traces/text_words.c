/* The words of a line of the text form, and what a refusal says. */
#include <stdarg.h>
#include <string.h>

#include "traces/text_private.h"

int text_refuse(struct parser *p, const char *at, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	return err_set(p->err, ERR_INPUT, "%s:%llu:%zu: %s", p->path,
		       (unsigned long long)p->line_number, (size_t)(at - p->line) + 1, text);
}

/* How much of a word a message shows. */
int text_shown(struct word word)
{
	return word.length > 48 ? 48 : (int)word.length;
}

/* ", did you mean 'x'?" or nothing. */
const char *text_hint(struct word word, const char *(*candidate)(const void *ctx, uint32_t i),
		      const void *ctx, char *text, size_t size)
{
	const char *near = nearest_word(word.text, word.length, candidate, ctx);

	text[0] = 0;
	if (near)
		snprintf(text, size, "; did you mean '%s'?", near);
	return text;
}

bool text_word_is(struct word word, const char *text)
{
	return word.length == strlen(text) && !memcmp(word.text, text, word.length);
}

void text_skip_blanks(struct parser *p)
{
	while (*p->at == ' ' || *p->at == '\t')
		p->at++;
}

bool text_at_end(struct parser *p)
{
	text_skip_blanks(p);
	return *p->at == 0 || *p->at == '#';
}

/* The next word up to a blank, '=' or the end; quoted strings are not words. */
struct word text_next_word(struct parser *p, bool stop_at_equals)
{
	struct word word;

	text_skip_blanks(p);
	word.text = p->at;
	while (*p->at && *p->at != ' ' && *p->at != '\t' && *p->at != '#' &&
	       !(stop_at_equals && *p->at == '='))
		p->at++;
	word.length = (size_t)(p->at - word.text);
	return word;
}
