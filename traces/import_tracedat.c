/*
 * A trace.dat of trace-cmd, versions 6 and 7, through libtracecmd and libtraceevent.
 *
 * The libraries trust what they read: one flipped bit in a header can make them crash, and some
 * write to standard output. So a process of its own decodes the file, once, into a temporary
 * file of guest records, and the readings that an import needs are readings of that file.
 */
#include "traces/import_tracedat.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COPY_BYTES = 128 * 1024 };

struct tracedat {
	char *path;
	FILE *records; /* a temporary file without a name */
	struct tracedat_outcome outcome;
	uint64_t bytes;
	long start;	 /* of the first record */
	bool start_told; /* the loss before the first record was handed out */
	char text[MARK_MAX_BYTES];
};

/* ---- the process ------------------------------------------------------------------------ */

/* Sizes that stand in a damaged file must not take the machine's memory. */
static int bound_memory(void)
{
#ifdef SANITIZED
	return 0; /* a sanitizer's shadow alone is terabytes */
#else
	const struct rlimit memory = { 8ull << 30, 8ull << 30 };

	return setrlimit(RLIMIT_AS, &memory);
#endif
}

/* What the library prints, and how it may end, stays inside. */
static int confine(void)
{
	static const int signals[] = { SIGALRM, SIGSEGV, SIGBUS, SIGABRT, SIGFPE };
	const struct rlimit no_core = { 0, 0 };
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 || setrlimit(RLIMIT_CORE, &no_core))
		return -1;
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
		signal(signals[i], SIG_DFL);
	return bound_memory();
}

/* Never returns: the caller's buffers and exit handlers are not this process's. */
_Noreturn static void decode_apart(const char *path, bool strict, int fd, FILE *records)
{
	struct tracedat_outcome outcome = { .side.records = true };

	if (confine() || stored_skip_outcome(records))
		_exit(1);
	alarm(TRACEDAT_STUCK_SECONDS);
	tracedat_decode(path, strict, fd, records, &outcome);
	if (fflush(records) != 0 && !outcome.err.code)
		err_set(&outcome.err, ERR_IO, "%s: temporary file: %s", path, strerror(errno));
	if (stored_write_outcome(records, &outcome) || fflush(records) != 0)
		_exit(1);
	_exit(0);
}

static int wait_for(pid_t process, const char *path, struct err *err)
{
	int status;

	while (waitpid(process, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(err, ERR_IO, "%s: waiting for its decoder: %s", path,
				       strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return err_set(err, ERR_INPUT,
		       "%s: libtracecmd broke down reading it (%s %d): the trace.dat is cut or "
		       "damaged; "
		       "fetch it again, or, if trace-cmd reads it, import the text of `trace-cmd "
		       "report -t`",
		       path, WIFSIGNALED(status) ? "signal" : "status",
		       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* ---- files -------------------------------------------------------------------------------- */

/* A file that is gone when it is closed. */
static FILE *temporary(const char *path, struct err *err)
{
	const char *folder = getenv("TMPDIR");
	char name[1024];
	FILE *file = NULL;
	int n, fd = -1;

	n = snprintf(name, sizeof name, "%s/iommusim-XXXXXX", folder && *folder ? folder : "/tmp");
	if (n > 0 && (size_t)n < sizeof name)
		fd = mkstemp(name);
	if (fd >= 0) {
		unlink(name);
		file = fdopen(fd, "w+b");
	}
	if (!file) {
		err_set(err, ERR_IO,
			"%s: a temporary file for it, %s: %s; TMPDIR names another folder", path,
			name, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	return file;
}

/* The library needs a file that it can seek in. */
static int unpack(struct packed *packed, FILE **out, struct err *err)
{
	const char *path = packed_path(packed);
	char *bytes = malloc(COPY_BYTES);
	size_t got;

	*out = temporary(path, err);
	if (!bytes && *out)
		err_no_memory(err, "unpacking");
	if (!bytes || !*out || packed_rewind(packed, err))
		goto fail;
	for (;;) {
		if (packed_read(packed, bytes, COPY_BYTES, &got, err))
			goto fail;
		if (got == 0)
			break;
		if (fwrite(bytes, got, 1, *out) != 1)
			goto no_room;
	}
	if (fflush(*out) != 0)
		goto no_room;
	rewind(*out);
	free(bytes);
	return 0;

no_room:
	err_set(err, ERR_IO,
		"%s: unpacking it to a temporary file: %s; TMPDIR names another folder", path,
		strerror(errno));
fail:
	free(bytes);
	if (*out)
		fclose(*out);
	return -1;
}

static int open_plain(struct packed *packed, FILE **out, struct err *err)
{
	if (!packed_is_plain(packed))
		return unpack(packed, out, err);
	*out = fopen(packed_path(packed), "rb");
	return *out ? 0 : err_set(err, ERR_IO, "%s: %s", packed_path(packed), strerror(errno));
}

/* ---- the reader --------------------------------------------------------------------------- */

static int decode(FILE *records, const char *path, FILE *file, bool strict, struct err *err)
{
	pid_t process = fork();

	if (process < 0)
		return err_set(err, ERR_IO, "%s: no process to decode it: %s", path,
			       strerror(errno));
	if (process == 0)
		decode_apart(path, strict, fileno(file), records);
	return wait_for(process, path, err);
}

int tracedat_open(struct packed *packed, bool strict, struct tracedat **out, struct err *err)
{
	const char *path = packed_path(packed);
	FILE *records = temporary(path, err), *file = NULL;
	int status = records ? open_plain(packed, &file, err) : -1;

	if (status == 0) {
		status = decode(records, path, file, strict, err);
		fclose(file);
	}
	if (status == 0)
		return tracedat_open_decoded(records, path, out, err);
	if (records)
		fclose(records);
	return -1;
}

int tracedat_open_decoded(FILE *decoded, const char *path, struct tracedat **out, struct err *err)
{
	struct tracedat *tracedat = calloc(1, sizeof *tracedat);
	struct stat status;

	if (!tracedat || !(tracedat->path = strdup(path))) {
		fclose(decoded);
		free(tracedat);
		return err_no_memory(err, "trace.dat reader");
	}
	tracedat->records = decoded;
	if (stored_read_outcome(decoded, path, &tracedat->outcome, err))
		goto fail;
	if (tracedat->outcome.err.code) {
		*err = tracedat->outcome.err;
		goto fail;
	}
	tracedat->start = ftell(decoded);
	if (tracedat->start < 0 || fstat(fileno(decoded), &status) != 0) {
		err_set(err, ERR_IO, "%s: its decoded events: %s", path, strerror(errno));
		goto fail;
	}
	tracedat->bytes = (uint64_t)status.st_size;
	*out = tracedat;
	return 0;

fail:
	tracedat_close(tracedat);
	return -1;
}

void tracedat_close(struct tracedat *tracedat)
{
	if (!tracedat)
		return;
	fclose(tracedat->records);
	free(tracedat->path);
	free(tracedat);
}

int tracedat_rewind(struct tracedat *tracedat, struct err *err)
{
	tracedat->start_told = false;
	if (fseek(tracedat->records, tracedat->start, SEEK_SET) != 0)
		return err_set(err, ERR_IO, "%s: %s", tracedat->path, strerror(errno));
	return 0;
}

int tracedat_next(struct tracedat *tracedat, struct guest_record *record, struct err *err)
{
	if (!tracedat->start_told) {
		tracedat->start_told = true;
		*record = (struct guest_record){ .kind = GUEST_LOST,
						 .count = tracedat->outcome.overwritten,
						 .untimed = true };
		if (record->count > 0)
			return 1;
	}
	return stored_read(tracedat->records, tracedat->path, record, tracedat->text, err);
}

bool tracedat_ticks(const struct tracedat *tracedat)
{
	return tracedat->outcome.ticks;
}

const struct import_side *tracedat_side(const struct tracedat *tracedat)
{
	return &tracedat->outcome.side;
}

uint64_t tracedat_bytes(const struct tracedat *tracedat)
{
	return tracedat->bytes;
}

uint64_t tracedat_offset(const struct tracedat *tracedat)
{
	long offset = ftell(tracedat->records);

	return offset < 0 ? 0 : (uint64_t)offset;
}
