/* iommusim models: the IOMMU models, their keys, and what they leave out. */
#include <stdio.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/json.h"
#include "cmd/options.h"
#include "sim/machine.h"
#include "sim/settings_io.h"

static const char details[] =
	"Without a name, lists the models. With one, prints every key of a machine\n"
	"description for it: default, range or choices, meaning, where the default comes\n"
	"from, and the table of what the model leaves out.\n";

static const char examples[] = "iommusim models\n"
			       "iommusim models vtd\n"
			       "iommusim models vtd --json\n";

static void json_row(struct json *json, const struct setting *row)
{
	char value[64];

	settings_format(row, row->value, value, sizeof value);
	json_object(json, NULL);
	json_text(json, "key", row->key);
	json_text(json, "default", value);
	if (row->type == SETTING_CHOICE)
		json_text(json, "choices", row->values);
	else
		json_text(json, "unit", settings_unit(row));
	json_text(json, "meaning", row->doc);
	json_text(json, "source", row->source);
	json_end(json);
}

static void print_model(const struct iommu_model *model)
{
	const struct setting_table tables[] = { { model->name, model->settings, 0, NULL, NULL },
						{ "every device; devices.PATTERN.KEY: those that "
						  "PATTERN matches (3b:00.0, 3b:*.*, 0x1d8)",
						  device_settings, 0, NULL, NULL },
						{ "every machine", run_settings, 0, NULL, NULL } };

	printf("%s: %s\n\n", model->name, model->spec);
	settings_print_help(stdout, tables, 3);
	printf("\nleft out:\n");
	for (const char *at = model->omits; *at; at += strcspn(at, "\n") + 1)
		printf("  %.*s\n", (int)strcspn(at, "\n"), at);
}

static void json_model(struct json *json, const struct iommu_model *model, bool keys)
{
	json_object(json, NULL);
	json_text(json, "name", model->name);
	json_text(json, "spec", model->spec);
	json_text(json, "omits", model->omits);
	if (keys) {
		json_array(json, "keys");
		for (const struct setting *row = model->settings; row->key; row++)
			json_row(json, row);
		for (const struct setting *row = device_settings; row->key; row++)
			json_row(json, row);
		for (const struct setting *row = run_settings; row->key; row++)
			json_row(json, row);
		json_end(json);
	}
	json_end(json);
}

int cmd_models(int argc, char **argv)
{
	bool as_json = false;
	const struct option_row rows[] = { { 0, "json", OPTION_FLAG, &as_json, NULL, "print JSON" },
					   { 0 } };
	const struct command_help help = {
		.name = "models",
		.operands = "[NAME]",
		.summary = "List IOMMU models, their keys and what they leave out",
		.details = details,
		.examples = examples,
		.options = rows,
		.min_operands = 0,
		.max_operands = 1
	};
	const struct iommu_model *only = NULL;
	struct operands operands;
	struct err err = { 0 };
	struct json json;
	int status;

	if (!options_parse(&help, argc, argv, &operands, &status))
		return status;
	if (operands.n && !(only = iommu_model_find(operands.texts[0]))) {
		machine_unknown_model(operands.texts[0], &err);
		return command_failed("models", &err);
	}
	if (as_json) {
		json_begin(&json, stdout);
		json_array(&json, NULL);
		for (size_t i = 0; iommu_models[i]; i++)
			if (!only || only == iommu_models[i])
				json_model(&json, iommu_models[i], only != NULL);
		json_end(&json);
		json_finish(&json);
	} else if (only) {
		print_model(only);
	} else {
		for (size_t i = 0; iommu_models[i]; i++)
			printf("%-10s %s\n", iommu_models[i]->name, iommu_models[i]->spec);
	}
	return command_done("models", STATUS_FINE);
}
