/*
 * Settings tables as text: defaults, "key=value", the printed configuration, help, and the copy
 * stored with a result. Reading YAML is in sim/machine_yaml.h.
 *
 * A machine description is an array of tables, each a list of rows (hw/base/settings.h) and the
 * struct whose fields they describe. Keys are unique over all tables. No function keeps anything;
 * none needs memory that grows with its input, except settings_canonical().
 */
#ifndef IOMMUSIM_SIM_SETTINGS_IO_H
#define IOMMUSIM_SIM_SETTINGS_IO_H

#include <stdio.h>

#include "hw/base/err.h"
#include "hw/base/settings.h"

struct setting_overrides;

struct setting_table {
	const char *title; /* "replay", "vtd": a heading in what is printed */
	const struct setting *rows;
	size_t n;     /* rows; 0: up to one whose key is NULL */
	void *values; /* the struct; settings_print_help() does not need it */
	struct setting_overrides *overrides; /* of some devices (sim/overrides.h), or NULL: none */
};

/* Row number i, counted over all tables, and its table; NULL past the last. */
const struct setting *settings_row(const struct setting_table *tables, size_t n, size_t i,
				   const struct setting_table **table);
/* The row of a key and its number (may be NULL); NULL: there is no such key. */
const struct setting *settings_find(const struct setting_table *tables, size_t n, const char *key,
				    size_t *number);
uint64_t settings_get(const struct setting_table *table, const struct setting *row);

void settings_defaults(const struct setting_table *tables, size_t n);

/*
 * Sets one key from text. Numbers are decimal or 0x; times take ns, us, ms, s and sizes K, M, G;
 * yes and no may be written true and false. Origin is for messages: "--set", "server.yaml:3:7".
 * -1: the key is unknown (the nearest one is named) or the value does not fit (*err says what
 * does); no value has changed.
 */
int settings_set_key(const struct setting_table *tables, size_t n, const char *key,
		     const char *value, const char *origin, struct err *err);
/* -1: the value does not fit; *err says so of the row's key. */
int settings_parse(const struct setting *row, const char *text, const char *origin, uint64_t *value,
		   struct err *err);
/* -1 and what to say of a key that no row has. */
int settings_refuse_key(const struct setting_table *tables, size_t n, const char *key,
			const char *origin, struct err *err);
/* The same as settings_set_key() from "key=value"; not even that form is ERR_USAGE. */
int settings_set(const struct setting_table *tables, size_t n, const char *text, const char *origin,
		 struct err *err);

/* A value as it is printed and reads back: "8", "10ms", "4K", "yes", "lru". */
/* What a value counts or is written in: "ways", "ns", "bytes"; "" for choices. */
const char *settings_unit(const struct setting *row);
void settings_format(const struct setting *row, uint64_t value, char *text, size_t size);

/*
 * The whole configuration as YAML that loads to the same values, a comment line before each key:
 * meaning, range, the default where it was changed, source. The caller checks ferror().
 */
void settings_print_yaml(FILE *out, const struct setting_table *tables, size_t n);
/* For people: key, default, range, and under it meaning and source. */
void settings_print_help(FILE *out, const struct setting_table *tables, size_t n);
/* "key=value\n" in the order of the rows, the same for equal values; the caller frees *out. */
int settings_canonical(const struct setting_table *tables, size_t n, char **out);

#endif
