#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/machine.h"
#include "sim/machine_yaml.h"
#include "sim/settings_io.h"

struct run_values {
	uint64_t policy, seed, latency;
};

struct unit_values {
	uint64_t ways, bytes, snoop, replacement;
};

static const struct setting run_rows[] = {
	{ "policy", SETTING_CHOICE, offsetof(struct run_values, policy), 0, 0, 1,
	  "recorded|linux-strict|linux-lazy", "whose table code", "" },
	{ "seed", SETTING_COUNT, offsetof(struct run_values, seed), 0, UINT64_MAX, 1, "number",
	  "all randomness follows", "" },
	{ "time.inval_latency", SETTING_NS, offsetof(struct run_values, latency), 1, 1000000000000,
	  5000000, NULL, "from issue to completion", "a measurement" },
	{ 0 },
};

static const struct setting unit_rows[] = {
	{ "vtd.iotlb.ways", SETTING_COUNT, offsetof(struct unit_values, ways), 1, 4096, 8, "ways",
	  "IOTLB ways", "no figure is public" },
	{ "vtd.area", SETTING_BYTES, offsetof(struct unit_values, bytes), 0, 1ull << 40, 4096, NULL,
	  "bytes of it", "" },
	{ "vtd.snoop", SETTING_BOOL, offsetof(struct unit_values, snoop), 0, 1, 1, NULL, "snooping",
	  "" },
	{ "vtd.iotlb.replacement", SETTING_CHOICE, offsetof(struct unit_values, replacement), 0, 0,
	  0, "lru|fifo|random", "IOTLB replacement", "" },
};

/* A machine of two tables: one ends with an empty row, one has a number of rows. */
struct scene {
	struct run_values run;
	struct unit_values unit;
	struct setting_table tables[2];
	char path[64];
};

static void set_up(struct scene *scene)
{
	memset(scene, 0xee, sizeof *scene);
	scene->tables[0] = (struct setting_table){ "run", run_rows, 0, &scene->run, NULL };
	scene->tables[1] = (struct setting_table){ "vtd", unit_rows, 4, &scene->unit, NULL };
	scene->path[0] = 0;
	settings_defaults(scene->tables, 2);
}

static void write_file(struct scene *scene, const char *text, size_t n)
{
	int fd;

	strcpy(scene->path, "/tmp/iommusim-settings-XXXXXX");
	fd = mkstemp(scene->path);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, n), (ssize_t)n);
	close(fd);
}

static int load(struct scene *scene, const char *text, size_t n, struct err *err)
{
	int answer;

	write_file(scene, text, n);
	answer = settings_load_yaml(scene->tables, 2, scene->path, err);
	unlink(scene->path);
	return answer;
}

static void explains_itself(const struct setting *rows)
{
	for (const struct setting *row = rows; row->key; row++) {
		cr_expect(row->doc && *row->doc, "%s: no meaning", row->key);
		cr_expect(row->source && *row->source, "%s: no source of its default", row->key);
		cr_expect(settings_unit(row), "%s: no unit", row->key);
	}
}

Test(settings, every_key_of_every_machine_has_a_meaning_a_unit_and_a_source)
{
	explains_itself(run_settings);
	explains_itself(device_settings);
	for (unsigned i = 0; iommu_models[i]; i++)
		explains_itself(iommu_models[i]->settings);
}

Test(settings, defaults_come_from_the_rows)
{
	struct scene scene;

	set_up(&scene);
	cr_expect_eq(scene.run.policy, 1);
	cr_expect_eq(scene.run.seed, 1);
	cr_expect_eq(scene.run.latency, 5000000);
	cr_expect_eq(scene.unit.ways, 8);
	cr_expect_eq(scene.unit.bytes, 4096);
	cr_expect_eq(scene.unit.snoop, 1);
	cr_expect_eq(scene.unit.replacement, 0);
}

/* ---- key=value ---------------------------------------------------------------------------------- */

struct set_case {
	char text[64];
	uint64_t value; /* of the key */
};

ParameterizedTestParameters(settings, key_value_sets_one_key)
{
	static struct set_case cases[] = {
		{ "policy=recorded", 0 },
		{ "policy=linux-lazy", 2 },
		{ "seed=0x10", 16 },
		{ "seed=18446744073709551615", UINT64_MAX },
		{ "seed=0xffffffffffffffff", UINT64_MAX },
		{ "time.inval_latency=7", 7 },
		{ "time.inval_latency=7ns", 7 },
		{ "time.inval_latency=7us", 7000 },
		{ "time.inval_latency=7ms", 7000000 },
		{ "time.inval_latency=1000s", 1000000000000 },
		{ "vtd.iotlb.ways=1", 1 },
		{ "vtd.iotlb.ways=4096", 4096 },
		{ "vtd.area=0", 0 },
		{ "vtd.area=3K", 3072 },
		{ "vtd.area=2M", 2097152 },
		{ "vtd.area=1024G", 1ull << 40 },
		{ "vtd.snoop=no", 0 },
		{ "vtd.snoop=true", 1 },
		{ "vtd.snoop=false", 0 },
		{ "vtd.iotlb.replacement=random", 2 },
	};
	return cr_make_param_array(struct set_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct set_case *c, settings, key_value_sets_one_key)
{
	const struct setting_table *table;
	const struct setting *row;
	struct scene scene;
	struct err err = { 0 };
	char key[64];
	size_t i;

	set_up(&scene);
	cr_assert_eq(settings_set(scene.tables, 2, c->text, "--set", &err), 0, "%s", err.text);
	snprintf(key, sizeof key, "%.*s", (int)strcspn(c->text, "="), c->text);
	cr_assert_not_null(settings_find(scene.tables, 2, key, &i));
	row = settings_row(scene.tables, 2, i, &table);
	cr_expect_eq(settings_get(table, row), c->value, "%s", c->text);
}

struct refused_case {
	char text[96];
	char says[128];
};

ParameterizedTestParameters(settings, key_value_that_does_not_fit_is_refused)
{
	static struct refused_case cases[] = {
		{ "", "--set: ''; expected key=value" },
		{ "seed", "--set: 'seed'; expected key=value" },
		{ "=4", "expected key=value" },
		{ "seed=", "seed has no value; expected a number" },
		{ "seed=-1", "seed is '-1'; expected a number, decimal or 0x, 0 or more" },
		{ "seed=+1", "seed is '+1'" },
		{ "seed= 1", "seed is ' 1'" },
		{ "seed=1 ", "seed is '1 '" },
		{ "seed=0x", "seed is '0x'" },
		{ "seed=1.5", "seed is '1.5'" },
		{ "seed=4K", "seed is '4K'" },
		{ "seed=18446744073709551616", "seed is '18446744073709551616'" },
		{ "seed=0x10000000000000000", "seed is '0x10000000000000000'" },
		{ "time.inval_latency=0",
		  "expected a whole number with ns, us, ms or s, 1ns to 1000s" },
		{ "time.inval_latency=1001s", "1ns to 1000s" },
		{ "time.inval_latency=18446744073709551615s", "1ns to 1000s" },
		{ "time.inval_latency=5 ms", "time.inval_latency is '5 ms'" },
		{ "time.inval_latency=5min", "time.inval_latency is '5min'" },
		{ "vtd.iotlb.ways=0", "a number, decimal or 0x, 1 to 4096" },
		{ "vtd.iotlb.ways=4097", "1 to 4096" },
		{ "vtd.area=1025G", "bytes, or with K, M or G, 0 to 1024G" },
		{ "vtd.area=4k", "vtd.area is '4k'" },
		{ "vtd.snoop=maybe", "expected yes|no" },
		{ "vtd.snoop=1", "expected yes|no" },
		{ "vtd.iotlb.replacement=lur", "one of lru|fifo|random; did you mean 'lru'?" },
		{ "vtd.iotlb.replacement=LRU", "one of lru|fifo|random" },
		{ "vtd.iotlb.replacement=lru|fifo", "one of lru|fifo|random" },
		{ "policy=linux", "one of recorded|linux-strict|linux-lazy" },
		{ "vtd.iotlb.way=4",
		  "unknown key 'vtd.iotlb.way'; did you mean 'vtd.iotlb.ways'?" },
		{ "ways=4", "unknown key 'ways'; did you mean 'vtd.iotlb.ways'?" },
		{ "vtd=4", "'vtd' is a group of keys and has no value; expected one of them" },
		{ "seed.of=4", "'seed' takes one value and has no keys under it" },
		{ "what.is.this=4", "unknown key 'what.is.this'; 'iommusim models NAME' lists" },
	};
	return cr_make_param_array(struct refused_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct refused_case *c, settings, key_value_that_does_not_fit_is_refused)
{
	struct scene scene, untouched;
	struct err err = { 0 };

	set_up(&scene);
	set_up(&untouched);
	cr_assert_eq(settings_set(scene.tables, 2, c->text, "--set", &err), -1, "%s", c->text);
	cr_expect_not_null(strstr(err.text, c->says), "%s: %s", c->text, err.text);
	cr_expect(!strncmp(err.text, "--set: ", 7), "%s", err.text);
	cr_expect_eq(memcmp(&scene.run, &untouched.run, sizeof scene.run), 0);
	cr_expect_eq(memcmp(&scene.unit, &untouched.unit, sizeof scene.unit), 0);
}

Test(settings, long_and_unprintable_texts_are_cut_in_messages)
{
	static char text[5000];
	struct scene scene;
	struct err err = { 0 };

	set_up(&scene);
	memset(text, 'a', sizeof text - 1);
	cr_expect_eq(settings_set(scene.tables, 2, text, "--set", &err), -1);
	text[4000] = '=';
	cr_expect_eq(settings_set(scene.tables, 2, text, "--set", &err), -1);
	cr_expect_not_null(strstr(err.text, "a key of 4000 bytes"), "%s", err.text);
	memcpy(text, "seed=", 5);
	cr_expect_eq(settings_set(scene.tables, 2, text, "--set", &err), -1);
	cr_expect_lt(strlen(err.text), 200);
	cr_expect_eq(settings_set(scene.tables, 2, "seed=\033[31m\n", "--set", &err), -1);
	cr_expect_not_null(strstr(err.text, "seed is '?[31m?'"), "%s", err.text);
}

/* ---- YAML ------------------------------------------------------------------------------------------ */

struct yaml_case {
	char text[128];
	uint64_t seed, ways, replacement;
};

ParameterizedTestParameters(settings, yaml_sets_what_it_says)
{
	static struct yaml_case cases[] = {
		{ "", 1, 8, 0 },
		{ "# nothing but a comment\n", 1, 8, 0 },
		{ "---\n", 1, 8, 0 },
		{ "---\n...\n", 1, 8, 0 },
		{ "{}", 1, 8, 0 },
		{ "seed: 7\n", 7, 8, 0 },
		{ "vtd.iotlb.ways: 4\n", 1, 4, 0 },
		{ "vtd:\n  iotlb:\n    ways: 4\n    replacement: fifo\nseed: 9\n", 9, 4, 1 },
		{ "vtd:\n  iotlb.ways: 4\nvtd.iotlb.replacement: \"random\"\n", 1, 4, 2 },
		{ "vtd: { iotlb: { ways: 0x10 }, snoop: no }\nseed: 2\n", 2, 16, 0 },
		{ "vtd:\n  # ways: 3\nseed: 5\n", 5, 8, 0 },
		{ "seed: 7\r\nvtd:\r\n  iotlb: {ways: 2}\r\n", 7, 2, 0 },
		{ "\xef\xbb\xbfseed: 7\n", 7, 8, 0 },
	};
	return cr_make_param_array(struct yaml_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct yaml_case *c, settings, yaml_sets_what_it_says)
{
	struct scene scene;
	struct err err = { 0 };

	set_up(&scene);
	cr_assert_eq(load(&scene, c->text, strlen(c->text), &err), 0, "%s: %s", c->text, err.text);
	cr_expect_eq(scene.run.seed, c->seed, "%s", c->text);
	cr_expect_eq(scene.unit.ways, c->ways, "%s", c->text);
	cr_expect_eq(scene.unit.replacement, c->replacement, "%s", c->text);
}

ParameterizedTestParameters(settings, yaml_that_is_not_a_description_is_refused)
{
	static struct refused_case cases[] = {
		{ "seed: 1\nvtd:\n  iotlb:\n    wasy: 4\n",
		  ":4:5: unknown key 'vtd.iotlb.wasy'; did you mean 'vtd.iotlb.ways'?" },
		{ "seed: four\n", ":1:7: seed is 'four'; expected a number" },
		{ "seed:\n", "seed has no value; expected a number" },
		{ "seed: ~\n", "seed is '~'" },
		{ "vtd:\n  iotlb:\n    ways: 5000\n", ":3:11: vtd.iotlb.ways is '5000'" },
		{ "seed: 1\nseed: 2\n", ":2:1: 'seed' stands twice; line 1 has it already" },
		{ "vtd.snoop: no\nvtd: {snoop: no}\n", ":2:7: 'vtd.snoop' stands twice; line 1" },
		{ "seed: [1, 2]\n", ":1:7: a list; expected key: value" },
		{ "- seed: 1\n", ":1:1: a list" },
		{ "seed: &a 1\n", ":1:7: an anchor" },
		{ "vtd: &a {snoop: no}\n", ":1:6: an anchor" },
		{ "seed: *a\n", ":1:7: an alias" },
		{ "seed: !!int 1\n", ":1:7: a tag" },
		{ "!x {seed: 1}\n", ":1:1: a tag" },
		{ "seed: {a: 1}\n", ":1:8: unknown key 'seed.a'; 'seed' takes one value" },
		{ "vtd: 4\n", ":1:1: 'vtd' is a group of keys and has no value" },
		{ "{a: 1}: 2\n", ":1:1: a map as a key" },
		{ "[a]: 2\n", "a list" },
		{ "seed\n", ":1:1: a value without a key" },
		{ "seed: 1\n--- \nseed: 2\n", ":2:1: a second document" },
		{ "a: {a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}}}\n", "more than 8 levels" },
		{ "seed: \"1\\0\"\n", ":1:7: a NUL character" },
		{ "seed: {\n", "expected YAML" },
		{ "seed: 'open\n", "expected YAML" },
		{ "\tseed: 1\n", ":1:1: " },
		{ "seed: \xff\xfe\n", "expected YAML in UTF-8" },
		{ "\"\": 1\n", ":1:1: an empty key" },
		{ "seed: |\n  1\n  2\n", ":1:7: seed is '1?2?'" },
	};
	return cr_make_param_array(struct refused_case, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct refused_case *c, settings, yaml_that_is_not_a_description_is_refused)
{
	struct scene scene;
	struct err err = { 0 };

	set_up(&scene);
	cr_assert_eq(load(&scene, c->text, strlen(c->text), &err), -1, "%s", c->text);
	cr_expect_not_null(strstr(err.text, c->says), "%s: %s", c->text, err.text);
	cr_expect_eq(strncmp(err.text, scene.path, strlen(scene.path)), 0, "%s", err.text);
	cr_expect_eq(err.code, ERR_CONFIG);
}

Test(settings, files_too_large_or_not_there_are_refused)
{
	size_t n = (1 << 20) + 1;
	char *text = malloc(n);
	struct scene scene;
	struct err err = { 0 };

	cr_assert_not_null(text);
	set_up(&scene);
	memset(text, '#', n);
	cr_expect_eq(load(&scene, text, n - 1, &err), 0, "%s", err.text);
	cr_expect_eq(load(&scene, text, n, &err), -1);
	cr_expect_not_null(strstr(err.text, "more than 1 MiB"), "%s", err.text);
	memset(text, '{', n);
	cr_expect_eq(load(&scene, text, n - 1, &err), -1);
	memset(text, 'a', n);
	cr_expect_eq(load(&scene, text, n - 1, &err), -1);
	text[n - 2] = ':';
	cr_expect_eq(load(&scene, text, n - 1, &err), -1);
	free(text);
	cr_expect_eq(settings_load_yaml(scene.tables, 2, "/nowhere/at/all.yaml", &err), -1);
	cr_expect_eq(err.code, ERR_USAGE);
	cr_expect_eq(settings_load_yaml(scene.tables, 2, "/", &err), -1);
	cr_expect_eq(err.code, ERR_IO, "%s", err.text);
}

Test(settings, one_key_can_be_asked_for_before_the_tables_are_known)
{
	struct scene scene;
	struct err err = { 0 };
	char value[8];
	static const char text[] = "what: ever\niommu: vtd\na: { b: c }\n";

	set_up(&scene);
	write_file(&scene, text, strlen(text));
	cr_expect_eq(settings_peek_yaml(scene.path, "iommu", value, sizeof value, &err), 1);
	cr_expect_str_eq(value, "vtd");
	cr_expect_eq(settings_peek_yaml(scene.path, "a.b", value, sizeof value, &err), 1);
	cr_expect_str_eq(value, "c");
	cr_expect_eq(settings_peek_yaml(scene.path, "a", value, sizeof value, &err), 0);
	cr_expect_eq(settings_peek_yaml(scene.path, "what", value, 4, &err), -1);
	cr_expect_not_null(strstr(err.text, ":1:7: this value is too long"), "%s", err.text);
	unlink(scene.path);
}

/* ---- printing ---------------------------------------------------------------------------------------- */

static char *printed(struct scene *scene,
		     void (*print)(FILE *, const struct setting_table *, size_t))
{
	char *text = NULL;
	size_t n;
	FILE *file = open_memstream(&text, &n);

	cr_assert_not_null(file);
	print(file, scene->tables, 2);
	fclose(file);
	return text;
}

Test(settings, what_is_printed_loads_to_the_same_values)
{
	static const char *const sets[] = { "policy=linux-lazy",
					    "seed=18446744073709551615",
					    "time.inval_latency=1234567",
					    "vtd.iotlb.ways=3",
					    "vtd.area=1536K",
					    "vtd.snoop=no",
					    "vtd.iotlb.replacement=random" };
	char *before, *after, *text;
	struct scene scene;
	struct err err = { 0 };

	for (size_t n = 0; n <= sizeof sets / sizeof sets[0]; n++) {
		set_up(&scene);
		for (size_t i = 0; i < n; i++)
			cr_assert_eq(settings_set(scene.tables, 2, sets[i], "--set", &err), 0);
		text = printed(&scene, settings_print_yaml);
		cr_assert_eq(settings_canonical(scene.tables, 2, &before), 0);
		settings_defaults(scene.tables, 2);
		cr_assert_eq(load(&scene, text, strlen(text), &err), 0, "%s", err.text);
		cr_assert_eq(settings_canonical(scene.tables, 2, &after), 0);
		cr_expect_str_eq(before, after);
		free(before);
		free(after);
		free(text);
	}
}

Test(settings, the_printed_configuration_explains_itself)
{
	struct scene scene;
	char *text;

	set_up(&scene);
	scene.unit.ways = 4;
	text = printed(&scene, settings_print_yaml);
	cr_expect_not_null(
		strstr(text, "# IOTLB ways (1 to 4096), default 8; source: no figure is public\n"
			     "vtd.iotlb.ways: 4\n"));
	cr_expect_not_null(
		strstr(text, "# from issue to completion (1ns to 1000s); source: a measurement\n"
			     "time.inval_latency: 5ms\n"));
	cr_expect_not_null(strstr(text, "# snooping (yes|no)\nvtd.snoop: yes\n"), "%s", text);
	free(text);
	text = printed(&scene, settings_print_help);
	cr_expect_not_null(strstr(text, "  vtd.iotlb.ways         8             1 to 4096 ways\n"
					"      IOTLB ways [no figure is public]\n"),
			   "%s", text);
	free(text);
}

Test(settings, the_stored_copy_has_every_key_in_order)
{
	struct scene scene;
	char *text;

	set_up(&scene);
	cr_assert_eq(settings_canonical(scene.tables, 2, &text), 0);
	cr_expect_str_eq(text,
			 "policy=linux-strict\nseed=1\ntime.inval_latency=5ms\nvtd.iotlb.ways=8\n"
			 "vtd.area=4K\nvtd.snoop=yes\nvtd.iotlb.replacement=lru\n");
	free(text);
}
