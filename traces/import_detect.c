/* Which program made a recorded file: by its first bytes, or by the shape of its first lines. */
#include <string.h>

#include "traces/import_tracedat.h"
#include "traces/packed.h"

enum { HEAD = 64 * 1024 };

struct head {
	char bytes[HEAD + 1]; /* ends with 0 */
	size_t n;
};

/* Forms known by their first bytes; what to do with those that are not imported. */
static const struct magic {
	const char *bytes;
	size_t n;
	const char *advice; /* NULL: imported */
	enum import_from form;
} magics[] = {
	{ TRACEDAT_MAGIC, sizeof TRACEDAT_MAGIC - 1, NULL, IMPORT_TRACEDAT },
	{ "PERFILE2", 8,
	  "a perf.data; print it with `perf script --ns --show-lost-events -F "
	  "comm,pid,tid,cpu,time,event,trace` and import the text",
	  IMPORT_DETECT },
	{ "\xff\xff\xff\xff\xff\xff\xff\xff\xb4\x29\xa4\x0a\xcb\x77\xb1\xf2", 16,
	  "QEMU's simple trace; run QEMU with -trace and -D FILE (log backend) instead",
	  IMPORT_DETECT },
	{ "\x1f\x8b", 2, "compressed with gzip; unpack it, or use zstd", IMPORT_DETECT },
	{ "\x89IMT", 4, "a recording already; give it to replay, info or cat", IMPORT_DETECT },
	{ "# iommusim events", 17, "a recording already; give it to replay, info or cat",
	  IMPORT_DETECT },
	{ "\x03\xf0\x01\x20", 4, "a xentrace buffer, which is not imported", IMPORT_DETECT },
};

static int read_head(const char *path, struct head *head, struct err *err)
{
	struct packed *file;
	size_t got;
	int answer;

	if (packed_open(path, &file, err))
		return -1;
	do {
		answer = packed_read(file, head->bytes + head->n, HEAD - head->n, &got, err);
		head->n += answer ? 0 : got;
	} while (!answer && got && head->n < HEAD);
	packed_close(file);
	head->bytes[head->n] = 0;
	return answer;
}

static size_t digits(const char *text)
{
	return strspn(text, "0123456789");
}

/* " [003] ", flags, a time and ": " behind it. */
static bool is_ftrace_line(const char *line, const char *end)
{
	for (const char *at = line; (at = memchr(at, '[', (size_t)(end - at))); at++) {
		size_t n = digits(at + 1);
		const char *colon;

		if (!n || at[1 + n] != ']' || at[2 + n] != ' ')
			continue;
		colon = memchr(at + 2 + n, ':', (size_t)(end - (at + 2 + n)));
		if (colon && colon[1] == ' ' && colon > at && digits(colon - 1))
			return true;
	}
	return false;
}

/* "TID@SECONDS.MICROSECONDS:" or an ISO time, or nothing, before the name of an IOMMU's event. */
static bool is_qemu_line(const char *line)
{
	static const char *const names[] = { "vtd_", "amdvi_", "smmu", "riscv_iommu_",
					     "virtio_iommu_" };
	size_t n = digits(line);

	if (n && line[n] == '@') {
		line += n + 1;
		line += strspn(line, "0123456789.");
		return *line == ':';
	}
	if (n == 4 && line[4] == '-' && strcspn(line, "T ") == 10)
		line += strcspn(line, " \n") + 1;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (!strncmp(line, names[i], strlen(names[i])))
			return true;
	return false;
}

static enum import_from form_of_lines(const struct head *head)
{
	const char *line = head->bytes, *end;

	for (; *line; line = end + (*end == '\n')) {
		end = line + strcspn(line, "\n");
		if (!strncmp(line, "# tracer:", 9) || !strncmp(line, "cpus=", 5) ||
		    is_ftrace_line(line, end))
			return IMPORT_FTRACE;
		if (is_qemu_line(line))
			return IMPORT_QEMU;
	}
	return IMPORT_DETECT;
}

int import_detect(const char *path, enum import_from *form, struct err *err)
{
	static const struct head empty;
	struct head head = empty;

	if (read_head(path, &head, err))
		return -1;
	for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++) {
		const struct magic *magic = &magics[i];

		if (head.n < magic->n || memcmp(head.bytes, magic->bytes, magic->n) != 0)
			continue;
		*form = magic->form;
		return magic->advice ? err_set(err, ERR_INPUT, "%s: %s", path, magic->advice) : 0;
	}
	*form = form_of_lines(&head);
	if (*form != IMPORT_DETECT)
		return 0;
	return err_set(
		err, ERR_INPUT,
		"%s: no line of its first 64 KiB is ftrace text (\"TASK-PID [CPU] FLAGS "
		"TIME: EVENT: ...\") or of QEMU's log (\"TID@SECONDS.MICROSECONDS:vtd_...\"), "
		"and it is no trace.dat; if it is one of them, say so with --from",
		path);
}
