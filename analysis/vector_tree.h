/*
 * Files of test vectors as trees of values, a vector at a time.
 *
 * Two forms hold the same (docs/vectors.md): YAML, a mapping whose key `vectors` comes last, and
 * JSON Lines, a header object and then one vector a line. libyaml reads both: JSON is YAML in
 * flow style, and every value keeps its line and column. Anchors, aliases, tags and duplicate
 * keys are refused, so a file cannot say more than it shows.
 *
 * Only one vector is in memory; one of more than VECTOR_BYTES_MAX bytes of text is refused.
 */
#ifndef IOMMUSIM_ANALYSIS_VECTOR_TREE_H
#define IOMMUSIM_ANALYSIS_VECTOR_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hw/base/err.h"

enum { VECTOR_BYTES_MAX = 1 << 20, VECTOR_DEPTH_MAX = 12 };
#define VECTOR_SCHEMA "iommusim-vectors/1"

enum value_kind { VALUE_TEXT, VALUE_LIST, VALUE_MAP };

struct value {
	const char *key;	    /* inside a map, else NULL */
	const char *text;	    /* VALUE_TEXT */
	struct value *first, *next; /* members of a list or map; siblings */
	uint32_t line, column;	    /* from 1 */
	uint32_t n;		    /* members */
	uint8_t kind;		    /* enum value_kind */
};

/* The member of a map, or NULL. */
struct value *value_member(const struct value *map, const char *key);
/* Its text, or "" where it is not there or no text. */
const char *value_text(const struct value *map, const char *key);
/* Decimal or 0x, below 2^64. */
bool text_number(const char *text, uint64_t *number);
/* Its number, or `otherwise` where it is not there. */
uint64_t value_number(const struct value *map, const char *key, uint64_t otherwise);
/* err_set(ERR_INPUT) with file, line and column in front; -1. */
int value_wrong(const char *file, const struct value *at, struct err *err, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Memory of one tree; vector_text_free() after the last use. */
struct vector_text {
	struct text_chunk *chunks;
	size_t left;
};
void vector_text_free(struct vector_text *memory);

/* One line of JSON (or YAML in flow style) as a tree in *memory; `line` is its number. */
int vector_line_read(struct vector_text *memory, const char *file, uint64_t line, const char *text,
		     size_t bytes, struct value **out, struct err *err);

struct vector_file;
int vector_file_open(const char *path, struct vector_file **out, struct err *err);
void vector_file_close(struct vector_file *file); /* NULL is allowed */
const char *vector_file_iommu(const struct vector_file *file);
/* 1: *vector is the next, until the following call; 0: the end; -1: *err tells the place. */
int vector_file_next(struct vector_file *file, struct value **vector, struct err *err);

#endif
