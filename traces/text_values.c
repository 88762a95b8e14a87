/* The values of the text form: numbers, sizes, times, choices, ids, names and strings. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "traces/text_private.h"

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

int text_parse_number(struct parser *p, struct word word, const char *key, uint64_t *value)
{
	struct word rest = word;
	bool overflow;

	if (!digits(&rest, value, &overflow) || rest.length)
		return text_refuse(p, word.text, "%s '%.*s'; expected a number, decimal or 0x", key,
				   text_shown(word), word.text);
	if (overflow)
		return text_refuse(p, word.text, "%s '%.*s' does not fit in 64 bits", key,
				   text_shown(word), word.text);
	return 0;
}

int text_parse_size(struct parser *p, struct word word, const char *key, uint64_t *value)
{
	static const char units[] = "KMGT";
	struct word rest = word;
	unsigned shift = 0;
	bool overflow;

	if (!digits(&rest, value, &overflow) || rest.length > 1)
		return text_refuse(p, word.text,
				   "%s '%.*s'; expected a size: a number with K, M, G or T", key,
				   text_shown(word), word.text);
	if (rest.length) {
		const char *unit = strchr(units, rest.text[0]);

		if (!unit)
			return text_refuse(p, rest.text, "unit '%c' of %s; expected K, M, G or T",
					   rest.text[0], key);
		shift = 10 * (unsigned)(unit - units + 1);
	}
	if (overflow || (shift && *value >> (64 - shift)))
		return text_refuse(p, word.text, "%s '%.*s' does not fit in 64 bits", key,
				   text_shown(word), word.text);
	*value <<= shift;
	return 0;
}

int text_parse_time(struct parser *p, struct word word, uint64_t *value)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = { { "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 } };
	struct word rest = word;
	uint64_t scale = 1, part = 0, unit = 1;
	bool overflow;

	if (!digits(&rest, value, &overflow))
		return text_refuse(p, word.text,
				   "time '%.*s'; expected a number with ns, us, ms or s, or +N",
				   text_shown(word), word.text);
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

		while (i < 4 && !text_word_is(rest, units[i].name))
			i++;
		if (i == 4)
			return text_refuse(p, rest.text,
					   "time unit '%.*s'; expected ns, us, ms or s",
					   text_shown(rest), rest.text);
		unit = units[i].ns;
	}
	if (part * unit % scale)
		return text_refuse(p, word.text, "time '%.*s' is finer than a nanosecond",
				   text_shown(word), word.text);
	if (overflow || *value > (UINT64_MAX - part * unit / scale) / unit)
		return text_refuse(p, word.text, "time '%.*s' does not fit in 64 bits",
				   text_shown(word), word.text);
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

bool text_find_choice(const char *list, struct word word, uint64_t *value)
{
	struct choices choices = { .list = list };
	const char *choice;

	for (uint32_t i = 0; (choice = choice_at(&choices, i)); i++) {
		if (text_word_is(word, choice)) {
			*value = i;
			return true;
		}
	}
	return false;
}

int text_parse_choice(struct parser *p, struct word word, const char *key, const char *list,
		      uint64_t *value)
{
	struct choices choices = { .list = list };
	char near[64];

	if (text_find_choice(list, word, value))
		return 0;
	return text_refuse(p, word.text, "%s%s'%.*s'; expected %s%s", key, *key ? " " : "",
			   text_shown(word), word.text, list,
			   text_hint(word, choice_at, &choices, near, sizeof near));
}

int text_parse_perm(struct parser *p, struct word word, uint64_t *value)
{
	*value = 0;
	for (size_t i = 0; i < word.length; i++) {
		const char *letter = strchr("rwx", word.text[i]);

		if (!letter)
			return text_refuse(
				p, word.text + i,
				"perm '%.*s'; expected r, w, rw, with x where it applies",
				text_shown(word), word.text);
		*value |= *letter == 'r' ? 1u : *letter == 'w' ? 2u : 4u;
	}
	return *value ? 0 : text_refuse(p, word.text, "perm is empty; expected r, w or rw");
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
int text_parse_device_id(struct parser *p, struct word word, uint64_t *value)
{
	uint64_t segment = 0, bus, slot, function;
	struct word rest = word;

	if (!memchr(word.text, ':', word.length)) {
		if (text_parse_number(p, word, "id", value))
			return -1;
		if (*value >> 63)
			return text_refuse(p, word.text, "id '%.*s'; expected less than 2^63",
					   text_shown(word), word.text);
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
	return text_refuse(
		p, word.text,
		"id '%.*s'; expected segment:bus:device.function as 0000:00:04.0, or a number",
		text_shown(word), word.text);
}

static bool name_character(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '.' || c == ':' || c == '-';
}

int text_parse_name(struct parser *p, struct word word, const char *key, uint64_t *value)
{
	uint32_t number;

	for (size_t i = 0; i < word.length; i++)
		if (!name_character(word.text[i]))
			return text_refuse(
				p, word.text + i,
				"'%c' in %s; expected a name of letters, digits and _ . : -",
				word.text[i], key);
	if (!word.length)
		return text_refuse(p, word.text, "%s is empty; expected a name", key);
	number = names_string(p->names, word.text, word.length);
	if (number == NAME_NONE)
		return text_refuse(p, word.text,
				   "%s: more names than this program keeps, or one over 4 KiB",
				   key);
	*value = number;
	return 0;
}

/* A quoted string, from the quote on. */
int text_parse_string(struct parser *p, uint64_t *value)
{
	const char *begin = p->at;
	char *text, *to;
	uint32_t number;

	if (*p->at != '"')
		return text_refuse(p, p->at, "expected a string in double quotes");
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
		return text_refuse(p, begin, "this string has no closing quote");
	}
	p->at++;
	number = names_string(p->names, text, (size_t)(to - text));
	free(text);
	if (number == NAME_NONE)
		return text_refuse(p, begin,
				   "a string over 4 KiB, or more strings than this program keeps");
	*value = number;
	return 0;
}
