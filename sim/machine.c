/* Machine descriptions: settings tables, YAML (libyaml) and --set. */
#include "sim/machine.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "traces/event.h"

enum { KEY_MAX = 96, DEPTH_MAX = 8 };

/* One table of rows and the struct that it describes. */
struct table {
	const struct setting *rows;
	char *values;
};

static void tables_of(const struct machine *machine, struct table tables[2])
{
	tables[0] = (struct table){ run_settings, (char *)&machine->run };
	tables[1] = (struct table){ machine->model->settings, machine->model_config };
}

static uint64_t *value_of(const struct table *table, const struct setting *row)
{
	return (uint64_t *)(void *)(table->values + row->offset);
}

int machine_create(const char *model, struct machine **out, struct err *err)
{
	struct machine *machine = calloc(1, sizeof *machine);
	struct table tables[2];

	if (!machine)
		return err_no_memory(err, "a machine description");
	machine->model = iommu_model_find(model);
	if (!machine->model) {
		free(machine);
		return err_set(err, ERR_CONFIG, "unknown IOMMU model '%s'; 'iommusim models' lists them", model);
	}
	machine->model_config = calloc(1, machine->model->config_size);
	if (!machine->model_config) {
		free(machine);
		return err_no_memory(err, "a machine description");
	}
	tables_of(machine, tables);
	for (size_t t = 0; t < 2; t++)
		for (const struct setting *row = tables[t].rows; row->key; row++)
			*value_of(&tables[t], row) = row->value;
	*out = machine;
	return 0;
}

void machine_destroy(struct machine *machine)
{
	if (!machine)
		return;
	free(machine->model_config);
	free(machine);
}

/* ---- one value ------------------------------------------------------------------------------ */

static bool parse_u64(const char *text, const char **end, uint64_t *value)
{
	char *stop;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &stop, text[0] == '0' && (text[1] | 32) == 'x' ? 16 : 10);
	*end = stop;
	return errno == 0;
}

static bool unit_of(const struct setting *row, const char *text, uint64_t *unit)
{
	static const struct {
		enum setting_type type;
		const char *name;
		uint64_t unit;
	} units[] = {
		{ SETTING_NS, "ns", 1 },	     { SETTING_NS, "us", 1000 },
		{ SETTING_NS, "ms", 1000000 },	     { SETTING_NS, "s", 1000000000 },
		{ SETTING_BYTES, "K", 1ull << 10 },  { SETTING_BYTES, "M", 1ull << 20 },
		{ SETTING_BYTES, "G", 1ull << 30 },
	};

	*unit = 1;
	if (!*text)
		return true;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (units[i].type == row->type && !strcmp(units[i].name, text)) {
			*unit = units[i].unit;
			return true;
		}
	}
	return false;
}

static bool parse_choice(const char *choices, const char *text, uint64_t *value)
{
	size_t length = strlen(text);
	const char *at = choices;

	for (*value = 0; at; ++*value) {
		size_t n = strcspn(at, "|");

		if (n == length && !memcmp(at, text, n))
			return true;
		at = at[n] ? at + n + 1 : NULL;
	}
	return false;
}

static const char *expectation(const struct setting *row, char *text, size_t size)
{
	switch (row->type) {
	case SETTING_BOOL:
		return "yes or no";
	case SETTING_CHOICE:
		snprintf(text, size, "one of %s", row->choices);
		return text;
	default:
		snprintf(text, size, "a number from %" PRIu64 " to %" PRIu64 "%s", row->min, row->max,
			 row->type == SETTING_NS    ? ", with ns, us, ms or s" :
			 row->type == SETTING_BYTES ? ", with K, M or G" :
						      "");
		return text;
	}
}

static int set_value(const struct table *table, const struct setting *row, const char *text, const char *origin,
		     struct err *err)
{
	uint64_t value = 0, unit = 1;
	const char *end = "";
	char expected[160];
	bool fine;

	switch (row->type) {
	case SETTING_BOOL:
		value = !strcmp(text, "yes") || !strcmp(text, "true");
		fine = value || !strcmp(text, "no") || !strcmp(text, "false");
		break;
	case SETTING_CHOICE:
		fine = parse_choice(row->choices, text, &value);
		break;
	default:
		fine = parse_u64(text, &end, &value) && unit_of(row, end, &unit) && value <= UINT64_MAX / unit;
		value *= unit;
		fine = fine && value >= row->min && value <= row->max;
	}
	if (!fine)
		return err_set(err, ERR_CONFIG, "%s: %s is '%.60s'; expected %s", origin, row->key, text,
			       expectation(row, expected, sizeof expected));
	*value_of(table, row) = value;
	return 0;
}

static const char *key_at(const void *ctx, uint32_t i)
{
	const struct table *tables = ctx;

	for (size_t t = 0; t < 2; t++)
		for (const struct setting *row = tables[t].rows; row->key; row++)
			if (i-- == 0)
				return row->key;
	return NULL;
}

static int set_key(const struct machine *machine, const char *key, const char *text, const char *origin,
		   struct err *err)
{
	struct table tables[2];
	const char *near;

	tables_of(machine, tables);
	for (size_t t = 0; t < 2; t++)
		for (const struct setting *row = tables[t].rows; row->key; row++)
			if (!strcmp(row->key, key))
				return set_value(&tables[t], row, text, origin, err);
	near = nearest_word(key, strlen(key), key_at, tables);
	return err_set(err, ERR_CONFIG, "%s: unknown key '%.80s'%s%s%s; 'iommusim models %s' lists all keys", origin,
		       key, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "",
		       machine->model->name);
}

static int set_text(const struct machine *machine, const char *text, struct err *err)
{
	const char *equals = strchr(text, '=');
	char key[KEY_MAX];

	if (!equals || (size_t)(equals - text) >= sizeof key)
		return err_set(err, ERR_USAGE, "--set '%.80s'; expected key=value, as in --set vtd.iotlb.ways=4",
			       text);
	memcpy(key, text, (size_t)(equals - text));
	key[equals - text] = 0;
	return set_key(machine, key, equals + 1, "--set", err);
}

/* ---- YAML ------------------------------------------------------------------------------------- */

struct loader {
	const char *path;
	struct machine **machine;
	char seen[512][KEY_MAX];
	size_t n_seen;
	struct err *err;
};

static int at_mark(const struct loader *loader, const yaml_mark_t *mark, const char *what)
{
	return err_set(loader->err, ERR_CONFIG, "%s:%zu:%zu: %s", loader->path, mark->line + 1, mark->column + 1,
		       what);
}

/* The model comes first: what other keys exist depends on it. */
static int pick_model(struct loader *loader, const char *name, const yaml_mark_t *mark)
{
	struct machine *machine;

	if (loader->n_seen > 1)
		return at_mark(loader, mark, "iommu: must come before every other key");
	if (machine_create(name, &machine, loader->err))
		return at_mark(loader, mark, "unknown IOMMU model; 'iommusim models' lists them");
	machine_destroy(*loader->machine);
	*loader->machine = machine;
	return 0;
}

static int load_scalar(struct loader *loader, const char *key, const char *value, const yaml_mark_t *mark)
{
	char origin[512];

	for (size_t i = 0; i < loader->n_seen; i++)
		if (!strcmp(loader->seen[i], key))
			return at_mark(loader, mark, "this key stands twice");
	if (loader->n_seen == sizeof loader->seen / sizeof loader->seen[0])
		return at_mark(loader, mark, "more keys than there are settings");
	snprintf(loader->seen[loader->n_seen++], KEY_MAX, "%s", key);
	if (!strcmp(key, "iommu"))
		return pick_model(loader, value, mark);
	snprintf(origin, sizeof origin, "%s:%zu:%zu", loader->path, mark->line + 1, mark->column + 1);
	return set_key(*loader->machine, key, value, origin, loader->err);
}

static int load_node(struct loader *loader, yaml_document_t *document, yaml_node_t *node, const char *prefix,
		     int depth)
{
	char key[KEY_MAX];

	if (node->type == YAML_SCALAR_NODE)
		return load_scalar(loader, prefix, (const char *)node->data.scalar.value, &node->start_mark);
	if (node->type != YAML_MAPPING_NODE)
		return at_mark(loader, &node->start_mark, "a list; expected key: value");
	if (depth == DEPTH_MAX)
		return at_mark(loader, &node->start_mark, "nested too deeply; keys have at most three parts");
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		yaml_node_t *name = yaml_document_get_node(document, pair->key);
		yaml_node_t *value = yaml_document_get_node(document, pair->value);

		if (name->type != YAML_SCALAR_NODE)
			return at_mark(loader, &name->start_mark, "expected a key");
		if ((size_t)snprintf(key, sizeof key, "%s%s%s", prefix, *prefix ? "." : "",
				     (const char *)name->data.scalar.value) >= sizeof key)
			return at_mark(loader, &name->start_mark, "this key is too long");
		if (load_node(loader, document, value, key, depth + 1))
			return -1;
	}
	return 0;
}

static int load_yaml(const char *path, struct machine **machine, struct err *err)
{
	struct loader *loader = calloc(1, sizeof *loader);
	FILE *file = fopen(path, "rb");
	yaml_document_t document;
	yaml_parser_t parser;
	yaml_node_t *root;
	int answer = -1;

	if (!loader || !file || !yaml_parser_initialize(&parser)) {
		err_set(err, ERR_IO, "%s: %s", path, file ? "out of memory" : strerror(errno));
		goto out;
	}
	loader->path = path;
	loader->machine = machine;
	loader->err = err;
	yaml_parser_set_input_file(&parser, file);
	if (!yaml_parser_load(&parser, &document)) {
		err_set(err, ERR_CONFIG, "%s:%zu:%zu: %s; expected YAML", path, parser.problem_mark.line + 1,
			parser.problem_mark.column + 1, parser.problem ? parser.problem : "cannot be read");
	} else {
		root = yaml_document_get_root_node(&document);
		answer = root ? load_node(loader, &document, root, "", 0) : 0;
		yaml_document_delete(&document);
	}
	yaml_parser_delete(&parser);
out:
	if (file)
		fclose(file);
	free(loader);
	return answer;
}

int machine_load(const char *path, const char *const *sets, size_t n_sets, struct machine **out, struct err *err)
{
	struct machine *machine;

	if (machine_create(iommu_models[0]->name, &machine, err))
		return -1;
	if (path && load_yaml(path, &machine, err)) {
		machine_destroy(machine);
		return -1;
	}
	for (size_t i = 0; i < n_sets; i++) {
		if (set_text(machine, sets[i], err)) {
			machine_destroy(machine);
			return -1;
		}
	}
	*out = machine;
	return 0;
}

/* ---- printing ------------------------------------------------------------------------------ */

void setting_format(const struct setting *row, uint64_t value, char *text, size_t size)
{
	const char *at = row->choices;

	switch (row->type) {
	case SETTING_BOOL:
		snprintf(text, size, "%s", value ? "yes" : "no");
		return;
	case SETTING_CHOICE:
		while (value--)
			at = strchr(at, '|') + 1;
		snprintf(text, size, "%.*s", (int)strcspn(at, "|"), at);
		return;
	default:
		snprintf(text, size, "%" PRIu64 "%s", value, row->type == SETTING_NS && value ? "ns" : "");
	}
}

void machine_print(const struct machine *machine, FILE *out)
{
	struct table tables[2];
	char text[64];

	tables_of(machine, tables);
	fprintf(out, "iommu: %s\n", machine->model->name);
	for (size_t t = 0; t < 2; t++) {
		for (const struct setting *row = tables[t].rows; row->key; row++) {
			setting_format(row, *value_of(&tables[t], row), text, sizeof text);
			fprintf(out, "%s: %s%*s# %s%s%s%s\n", row->key, text,
				(int)(strlen(row->key) + strlen(text) < 40 ? 40 - strlen(row->key) - strlen(text) :
									      1),
				"", row->doc, *row->source ? " [" : "", row->source, *row->source ? "]" : "");
		}
	}
}

char *machine_canonical(const struct machine *machine)
{
	struct table tables[2];
	char *text = NULL, value[64];
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	tables_of(machine, tables);
	fprintf(out, "iommu=%s\n", machine->model->name);
	for (size_t t = 0; t < 2; t++) {
		for (const struct setting *row = tables[t].rows; row->key; row++) {
			setting_format(row, *value_of(&tables[t], row), value, sizeof value);
			fprintf(out, "%s=%s\n", row->key, value);
		}
	}
	fclose(out);
	return text;
}
