/* Settings of some devices: patterns, what they are refused for, and that they read back. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/machine.h"

static struct machine *load(const char *yaml, const char *const *sets, size_t n, struct err *err)
{
	char path[] = "/tmp/iommusim-overrides-XXXXXX";
	struct machine *machine = NULL;
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, yaml, strlen(yaml)), (ssize_t)strlen(yaml));
	close(fd);
	if (machine_load(path, sets, n, &machine, err))
		machine = NULL;
	unlink(path);
	return machine;
}

Test(overrides, a_device_has_what_was_said_last_of_it)
{
	static const char *const sets[] = { "devices.3b:01.1.pri.credits=5", "pri.credits=9",
					    "devices.*:01.*.atc.ways=2" };
	struct err err = { 0 };
	struct machine *machine =
		load("atc: { sets: 16 }\n"
		     "devices:\n"
		     "  \"3b:*.*\": { atc: { sets: 64 }, ats: { latency: 20us } }\n"
		     "  3b:01.1: { ats: { gone: yes } }\n"
		     "  0x10000: { atc: { dma: no } }\n"
		     "devices.3b:01.2.ats.latency: 1ms\n",
		     sets, 3, &err);
	struct device_config config;

	cr_assert_not_null(machine, "%s", err.text);
	config = machine_device(machine, 0x3a00);
	cr_expect_eq(config.tlb.sets, 16);
	cr_expect_eq(config.tlb.ways, 8);
	cr_expect_eq(config.pri_credits, 9);
	cr_expect_eq(config.ats_latency, 0);
	config = machine_device(machine, 0x3b09);
	cr_expect_eq(config.tlb.sets, 64);
	cr_expect_eq(config.tlb.ways, 2);
	cr_expect_eq(config.pri_credits, 5);
	cr_expect_eq(config.ats_latency, 20000);
	cr_expect_eq(config.ats_gone, 1);
	config = machine_device(machine, 0x3b0a);
	cr_expect_eq(config.ats_latency, 1000000);
	cr_expect_eq(config.ats_gone, 0);
	config = machine_device(machine, 0x10000);
	cr_expect_eq(config.tlb.dma, 0);
	cr_expect_eq(config.tlb.ways, 8, "a bus:device.function is 16 bits");
	cr_expect_eq(machine_device(machine, 0x13b08).tlb.sets, 16);
	machine_destroy(machine);
}

struct refusal {
	char text[64];
	char says[120];
};

ParameterizedTestParameters(overrides, what_does_not_fit_is_refused)
{
	static struct refusal cases[] = {
		{ "devices.3b:00.1.ats.latncy=20us",
		  "--set: unknown key 'ats.latncy'; did you mean 'ats.latency'?" },
		{ "devices.3b:00.1.ats=1", "--set: 'ats' is a group of keys" },
		{ "devices.3b:00.1.vtd.haw=46", "--set: unknown key 'vtd.haw'" },
		{ "devices.3b:00.1.atc.ways=5000", "--set: atc.ways is '5000'; expected" },
		{ "devices.3b:00:1.ats.latency=3", "expected devices.PATTERN.KEY" },
		{ "devices.3b:00.9.ats.latency=3", "expected devices.PATTERN.KEY" },
		{ "devices.3b:20.0.ats.latency=3", "expected devices.PATTERN.KEY" },
		{ "devices.100:00.0.ats.latency=3", "expected devices.PATTERN.KEY" },
		{ "devices.0000:3b:00.0.ats.latency=3", "expected devices.PATTERN.KEY" },
		{ "devices.4294967296.ats.latency=3", "expected devices.PATTERN.KEY" },
		{ "devices.0x.ats.latency=3", "expected devices.PATTERN.KEY" },
		{ "devices.*.ats.latency=3", "expected devices.PATTERN.KEY" },
		{ "devices.nic0.ats.latency=3", "expected devices.PATTERN.KEY" },
		{ "devices.=3", "expected devices.PATTERN.KEY" },
	};
	return cr_make_param_array(struct refusal, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct refusal *c, overrides, what_does_not_fit_is_refused)
{
	const char *const sets[] = { c->text };
	struct err err = { 0 };

	cr_expect_null(load("", sets, 1, &err));
	cr_expect(strstr(err.text, c->says), "%s: %s", c->text, err.text);
}

Test(overrides, a_file_may_not_say_the_same_twice)
{
	struct err err = { 0 };

	cr_expect_null(load("devices:\n"
			    "  3b:00.1: { atc: { ways: 2 } }\n"
			    "  3B:0.1: { atc: { ways: 4 } }\n",
			    NULL, 0, &err));
	cr_expect(strstr(err.text, ":3:") && strstr(err.text, "twice; line 2"), "%s", err.text);
}

Test(overrides, print_config_reads_back_to_the_same)
{
	static const char *const sets[] = { "devices.3b:*.0.atc.sets=32",
					    "devices.3b:1f.0.atc.sets=4", "devices.7.ats.gone=yes",
					    "devices.3b:*.0.atc.sets=64" };
	struct machine *machine, *again;
	struct err err = { 0 };
	char *text = NULL, *before, *after;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	machine = load("", sets, 4, &err);
	cr_assert(machine && out, "%s", err.text);
	machine_print(machine, out);
	fclose(out);
	again = load(text, NULL, 0, &err);
	cr_assert_not_null(again, "%s", err.text);
	before = machine_canonical(machine);
	after = machine_canonical(again);
	cr_expect_str_eq(before, after);
	cr_expect(strstr(before, "devices.3b:1f.0.atc.sets=4\ndevices.7.ats.gone=yes\n"
				 "devices.3b:*.0.atc.sets=64\n"));
	cr_expect_eq(machine_device(again, 0x3bf8).tlb.sets, 64, "the last one said holds");
	free(before);
	free(after);
	free(text);
	machine_destroy(machine);
	machine_destroy(again);
}
