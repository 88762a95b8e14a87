/* Machine descriptions: a model, its settings and those of every run. */
#include "sim/machine.h"

#include <stdlib.h>
#include <string.h>

#include "sim/machine_yaml.h"
#include "traces/event.h"

enum { TABLES = 3 };

static void tables_of(struct machine *machine, struct setting_table tables[TABLES])
{
	tables[0] = (struct setting_table){ "run", run_settings, 0, &machine->run, NULL };
	tables[1] = (struct setting_table){ "devices", device_settings, 0, &machine->device,
					    &machine->overrides };
	tables[2] = (struct setting_table){ machine->model->name, machine->model->settings, 0,
					    machine->model_config, NULL };
}

static const char *model_at(const void *unused, uint32_t i)
{
	(void)unused;
	return iommu_models[i] ? iommu_models[i]->name : NULL;
}

int machine_unknown_model(const char *model, struct err *err)
{
	const char *near = nearest_word(model, strlen(model), model_at, NULL);

	return err_set(err, ERR_CONFIG,
		       "unknown IOMMU model '%.60s'; 'iommusim models' lists them%s%s%s", model,
		       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int machine_create(const char *model, struct machine **out, struct err *err)
{
	struct machine *machine = calloc(1, sizeof *machine);
	struct setting_table tables[TABLES];

	if (!machine)
		return err_no_memory(err, "a machine description");
	machine->model = iommu_model_find(model);
	if (!machine->model) {
		free(machine);
		return machine_unknown_model(model, err);
	}
	machine->model_config = calloc(1, machine->model->config_size);
	if (!machine->model_config) {
		free(machine);
		return err_no_memory(err, "a machine description");
	}
	tables_of(machine, tables);
	settings_defaults(tables, TABLES);
	*out = machine;
	return 0;
}

void machine_destroy(struct machine *machine)
{
	if (!machine)
		return;
	overrides_free(&machine->overrides);
	free(machine->model_config);
	free(machine);
}

/* The model that --set iommu=NAME names, else NULL. */
static const char *set_model(const char *set)
{
	const char key[] = "iommu=";

	return strncmp(set, key, sizeof key - 1) ? NULL : set + sizeof key - 1;
}

/* The choice of --set or of the file, or the first model. */
static int pick_model(const char *path, const char *const *sets, size_t n_sets, char *model,
		      size_t size, struct err *err)
{
	int found = path ? settings_peek_yaml(path, "iommu", model, size, err) : 0;

	if (found == 0)
		snprintf(model, size, "%s", iommu_models[0]->name);
	for (size_t i = 0; i < n_sets; i++)
		if (set_model(sets[i]))
			snprintf(model, size, "%s", set_model(sets[i]));
	return found < 0 ? -1 : 0;
}

/* Names of all models, as the choices of a setting. */
static void model_names(char *names, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; iommu_models[i] && used < size; i++)
		used += (size_t)snprintf(names + used, size - used, "%s%s", i ? "|" : "",
					 iommu_models[i]->name);
}

static int load(struct machine *machine, const char *path, const char *const *sets, size_t n_sets,
		struct err *err)
{
	char names[256];
	/* The peeked key is a key of the file like any other: a table of its own accepts it. */
	const struct setting iommu_rows[] = {
		{ "iommu", SETTING_CHOICE, 0, 0, 0, 0, names, "the IOMMU model", "" },
		{ 0 },
	};
	struct setting_table tables[TABLES + 1];
	uint64_t model = 0;

	model_names(names, sizeof names);
	tables_of(machine, tables);
	tables[TABLES] = (struct setting_table){ "model", iommu_rows, 0, &model, NULL };
	if (path && settings_load_yaml(tables, TABLES + 1, path, err))
		return -1;
	for (size_t i = 0; i < n_sets; i++)
		if (!set_model(sets[i]) && settings_set(tables, TABLES, sets[i], "--set", err))
			return -1;
	return 0;
}

int machine_load(const char *path, const char *const *sets, size_t n_sets, struct machine **out,
		 struct err *err)
{
	struct machine *machine;
	char model[32];

	if (pick_model(path, sets, n_sets, model, sizeof model, err) ||
	    machine_create(model, &machine, err))
		return -1;
	if (load(machine, path, sets, n_sets, err)) {
		machine_destroy(machine);
		return -1;
	}
	*out = machine;
	return 0;
}

struct device_config machine_device(const struct machine *machine, uint32_t requester_id)
{
	struct device_config config = machine->device;

	overrides_apply(&machine->overrides, requester_id, &config);
	return config;
}

void machine_print(struct machine *machine, FILE *out)
{
	struct setting_table tables[TABLES];

	tables_of(machine, tables);
	fprintf(out, "iommu: %s\n\n", machine->model->name);
	settings_print_yaml(out, tables, TABLES);
}

char *machine_canonical(struct machine *machine)
{
	struct setting_table tables[TABLES];
	char *text;

	tables_of(machine, tables);
	return settings_canonical(tables, TABLES, &text) ? NULL : text;
}
