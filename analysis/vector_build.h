/* Between the values of vector_tree.c and the files of vector_file.c. */
#ifndef IOMMUSIM_ANALYSIS_VECTOR_BUILD_H
#define IOMMUSIM_ANALYSIS_VECTOR_BUILD_H

#include <yaml.h>

#include "analysis/vector_tree.h"

struct tree_builder {
	struct vector_text *memory;
	const char *file;
	uint64_t line_base; /* added to libyaml's lines, which count from 0 */
	size_t line_bytes;  /* of the only line there is; 0: a file */
	struct value *open[VECTOR_DEPTH_MAX], *last[VECTOR_DEPTH_MAX];
	unsigned depth;
	const char *key; /* that the next value belongs to */
	uint32_t key_line, key_column;
	struct value *done; /* the whole tree, once it is closed */
};

/* Takes one event of a value; builder->done is set when the value is complete. */
int tree_take(struct tree_builder *builder, const yaml_event_t *event, struct err *err);
/* Events until one value is complete. */
int tree_read(struct tree_builder *builder, yaml_parser_t *parser, struct err *err);
/* The next event; -1: *err tells where and why there is none. */
int tree_event(const struct tree_builder *builder, yaml_parser_t *parser, yaml_event_t *event,
	       struct err *err);

#endif
