/* What a file is, told from its beginning: lines and bytes as programs write them. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "traces/import.h"

struct sample {
	char text[200];
	size_t n; /* 0: up to its end */
	enum import_from form;
	char says[60]; /* part of the refusal */
};

ParameterizedTestParameters(detect, sample)
{
	static struct sample samples[] = {
		{ "# tracer: nop\n#\n", 0, IMPORT_FTRACE, "" },
		{ "cpus=4\n", 0, IMPORT_FTRACE, "" },
		{ "     kworker/3:1-88  [003] .....  512.000101: map: IOMMU: iova=0x1 - 0x2\n", 0,
		  IMPORT_FTRACE, "" },
		{ "  a b] [x]-88 [003] d..1. 8123456789012: unmap: IOMMU: iova=0x1\n", 0,
		  IMPORT_FTRACE, "" },
		{ "dd  4120 [002]   812.400113456: iommu:map: IOMMU: iova=0x1\n", 0, IMPORT_FTRACE,
		  "" },
		{ "1234@1795221392.003652:vtd_inv_desc_wait_irq disabled\n", 0, IMPORT_QEMU, "" },
		{ "qemu-system-x86_64: a warning\n1234@1795221392.003652:vtd_frr_new index 0\n", 0,
		  IMPORT_QEMU, "" },
		{ "2025-10-01T12:00:00.123456Z vtd_reg_write addr 0x34 size 0x4 value 0x1\n", 0,
		  IMPORT_QEMU, "" },
		{ "vtd_dmar_translate dev 00:02.00 iova 0x1 -> gpa 0x2 mask 0xfff\n", 0,
		  IMPORT_QEMU, "" },
		{ "\x17\x08\x44tracing6\0", 12, IMPORT_TRACEDAT, "" },
		{ "PERFILE2\x68", 9, IMPORT_DETECT, "perf script" },
		{ "\x1f\x8b\x08", 3, IMPORT_DETECT, "gzip" },
		{ "\x89IMT\r\n", 6, IMPORT_DETECT, "recording already" },
		{ "# iommusim events 1\n", 0, IMPORT_DETECT, "recording already" },
		{ "\x03\xf0\x01\x20", 4, IMPORT_DETECT, "xentrace" },
		{ "hello [1] world\n", 0, IMPORT_DETECT, "--from" },
		{ "", 0, IMPORT_DETECT, "--from" },
	};

	return cr_make_param_array(struct sample, samples, sizeof samples / sizeof samples[0]);
}

ParameterizedTest(struct sample *sample, detect, sample)
{
	const char *folder = getenv("TMPDIR");
	size_t n = sample->n ? sample->n : strlen(sample->text);
	enum import_from form = IMPORT_DETECT;
	struct err err = { 0 };
	char path[300];
	FILE *file;
	int status;

	snprintf(path, sizeof path, "%s/iommusim-detect-XXXXXX", folder ? folder : "/tmp");
	file = fdopen(mkstemp(path), "wb");
	cr_assert(file);
	cr_assert_eq(fwrite(sample->text, 1, n, file), n);
	fclose(file);
	status = import_detect(path, &form, &err);
	unlink(path);
	cr_expect_eq(status, sample->form == IMPORT_DETECT ? -1 : 0, "%s: %s", sample->text,
		     err.text);
	cr_expect_eq(form, sample->form, "%s", sample->text);
	cr_expect(strstr(err.text, sample->says), "%s", err.text);
}

Test(detect, missing_file_is_named)
{
	enum import_from form;
	struct err err = { 0 };

	cr_assert_eq(import_detect("/nowhere/trace.txt", &form, &err), -1);
	cr_assert(strstr(err.text, "/nowhere/trace.txt"));
}
