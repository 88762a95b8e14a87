#include "traces/open.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "traces/imt.h"
#include "traces/output.h"
#include "traces/patch.h"
#include "traces/text.h"

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

/* What the first bytes of a file that is no recording look like, and the way on. */
static int refuse_kind(const char *path, const unsigned char *bytes, size_t n, struct err *err)
{
	const char *looks = "something else", *way = "see 'iommusim import --help'";

	if (n == 0)
		looks = "an empty file";
	else if (n >= 16 && !memcmp(bytes, "SQLite format 3", 16))
		looks = "an SQLite database";
	else if (n >= 4 && !memcmp(bytes, "\x28\xb5\x2f\xfd", 4))
		looks = "a zstd-compressed file";
	else if (n >= 10 && !memcmp(bytes, "\x17\x08\x44tracing", 10))
		looks = "a trace.dat of trace-cmd";
	else if (n >= 8 && !memcmp(bytes, "# tracer", 8))
		looks = "Linux ftrace text";
	else if (memchr(bytes, '@', n) && memchr(bytes, ':', n))
		looks = "a QEMU log";
	if (n >= 16 && !memcmp(bytes, "SQLite format 3", 16))
		way = "a store of results is read by 'iommusim report'";
	else if (n)
		way = "bring it in with 'iommusim import --guest TRACE --host LOG -o FILE.imt'";
	return err_set(err, ERR_INPUT,
		       "%s: looks like %s; expected a native recording (.imt) or the text form, "
		       "whose first "
		       "line is '# iommusim events 1'; %s",
		       path, looks, way);
}

int recording_open(const char *path, bool salvage, struct event_source **out, struct err *err)
{
	static const unsigned char magic[4] = { 0x89, 'I', 'M', 'T' };
	struct imt_options options = { .salvage = salvage };
	unsigned char bytes[256];
	size_t n;
	FILE *file;

	if (!strcmp(path, "-"))
		return text_source_open(stdin, "standard input", out, err);
	file = fopen(path, "rb");
	if (!file)
		return err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
	n = fread(bytes, 1, sizeof bytes, file);
	if (ferror(file)) { /* a folder, for one */
		err_set(err, ERR_USAGE, "%s: %s; expected the file of a recording", path,
			strerror(errno));
		fclose(file);
		return -1;
	}
	if (n >= 4 && memcmp(bytes, magic, 4) == 0) {
		fclose(file);
		return imt_source_open(path, &options, out, err);
	}
	if (!ends_with(path, ".events") &&
	    (n < 17 || memcmp(bytes, "# iommusim events", 17) != 0)) {
		fclose(file);
		return refuse_kind(path, bytes, n, err);
	}
	fseek(file, 0, SEEK_END);
	n = (size_t)ftell(file);
	rewind(file);
	if (text_source_open(file, path, out, err))
		return -1;
	(*out)->bytes = n;
	return 0;
}

int recording_open_with(const char *path, const char *patch, bool salvage,
			struct event_source **out, struct err *err)
{
	struct event_source *recording, *put_in;

	if (recording_open(path, salvage, &recording, err))
		return -1;
	*out = recording;
	if (!patch)
		return 0;
	if (recording_open(patch, false, &put_in, err)) {
		source_close(recording);
		return -1;
	}
	return patched_open(recording, put_in, out, err);
}

/* The text form in a file of its own. */
struct file_sink {
	struct event_sink head;
	struct event_sink *text;
	struct output output;
};

static int file_put(struct event_sink *head, const struct names *names,
		    const struct event_batch *batch, struct err *err)
{
	struct file_sink *sink = (struct file_sink *)head;

	return sink->text->put(sink->text, names, batch, err);
}

static void file_abandon(struct event_sink *head)
{
	struct file_sink *sink = (struct file_sink *)head;

	sink->text->abandon(sink->text);
	output_discard(&sink->output);
	free(sink);
}

static int file_finish(struct event_sink *head, const struct names *names, struct err *err)
{
	struct file_sink *sink = (struct file_sink *)head;
	int answer = sink->text->finish(sink->text, names, err);

	if (answer)
		output_discard(&sink->output);
	else
		answer = output_commit(&sink->output, err);
	free(sink);
	return answer;
}

static int file_open(const char *path, const char *meta, struct event_sink **out, struct err *err)
{
	struct file_sink *sink = calloc(1, sizeof *sink);

	if (!sink)
		return err_no_memory(err, "an output file");
	sink->head = (struct event_sink){ file_put, file_finish, file_abandon };
	if (output_open(&sink->output, path, err)) {
		free(sink);
		return -1;
	}
	if (text_sink_open(sink->output.file, meta, &sink->text, err)) {
		output_discard(&sink->output);
		free(sink);
		return -1;
	}
	*out = &sink->head;
	return 0;
}

int recording_create(const char *path, const char *meta, struct event_sink **out, struct err *err)
{
	struct imt_options options = { .level = 3,
				       .block_records = IMT_BLOCK_RECORDS,
				       .meta = meta };

	if (ends_with(path, ".imt"))
		return imt_sink_open(path, &options, out, err);
	return file_open(path, meta, out, err);
}

int recording_copy(struct event_source *source, struct event_sink *sink, uint64_t *events,
		   struct err *err)
{
	struct event_batch batch;
	int got;

	*events = 0;
	while ((got = source_next(source, &batch, err)) > 0) {
		if (sink->put(sink, source->names, &batch, err)) {
			got = -1;
			break;
		}
		*events += batch.n;
	}
	if (got < 0) {
		sink->abandon(sink);
		return -1;
	}
	return sink->finish(sink, source->names, err);
}
