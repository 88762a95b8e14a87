#include "traces/packed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>

enum {
	STORED_BYTES = 128 * 1024,
	WINDOW_LOG_MAX = 27, /* zstd's own default: 128 MiB */
};

struct packed {
	char *path;
	FILE *file;
	uint64_t bytes, offset;
	/* zstd input, NULL for a plain file. */
	ZSTD_DCtx *zstd;
	char *stored;
	ZSTD_inBuffer input;
	size_t frame_left; /* ZSTD_decompressStream(): 0 exactly at the end of a frame */
};

static int sniff(struct packed *packed, struct err *err)
{
	unsigned char magic[4];
	size_t got = fread(magic, 1, sizeof magic, packed->file);

	if (got < sizeof magic && ferror(packed->file))
		return err_set(err, ERR_IO, "%s: %s", packed->path, strerror(errno));
	if (got >= 2 && magic[0] == 0x1f && magic[1] == 0x8b)
		return err_set(err, ERR_INPUT,
			       "%s: gzip data; expected a plain file or zstd; unpack it first with "
			       "gunzip",
			       packed->path);
	rewind(packed->file);
	if (got < 4 || memcmp(magic, "\x28\xb5\x2f\xfd", 4) != 0)
		return 0;
	packed->stored = malloc(STORED_BYTES);
	packed->zstd = ZSTD_createDCtx();
	if (!packed->stored || !packed->zstd)
		return err_no_memory(err, "zstd reader");
	ZSTD_DCtx_setParameter(packed->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	packed->input.src = packed->stored;
	return 0;
}

int packed_open(const char *path, struct packed **out, struct err *err)
{
	struct packed *packed = calloc(1, sizeof *packed);
	struct stat status;

	if (!packed || !(packed->path = strdup(path))) {
		err_no_memory(err, "file reader");
		goto fail;
	}
	packed->file = fopen(path, "rb");
	if (!packed->file || fstat(fileno(packed->file), &status) != 0) {
		err_set(err, ERR_IO, "%s: %s", path, strerror(errno));
		goto fail;
	}
	if (!S_ISREG(status.st_mode)) {
		err_set(err, ERR_IO,
			"%s: not a regular file; an import reads its input several times, so save "
			"it to a file first",
			path);
		goto fail;
	}
	packed->bytes = (uint64_t)status.st_size;
	if (sniff(packed, err))
		goto fail;
	*out = packed;
	return 0;

fail:
	packed_close(packed);
	return -1;
}

void packed_close(struct packed *packed)
{
	if (!packed)
		return;
	if (packed->file)
		fclose(packed->file);
	ZSTD_freeDCtx(packed->zstd);
	free(packed->stored);
	free(packed->path);
	free(packed);
}

int packed_rewind(struct packed *packed, struct err *err)
{
	if (fseek(packed->file, 0, SEEK_SET) != 0)
		return err_set(err, ERR_IO, "%s: %s", packed->path, strerror(errno));
	if (packed->zstd)
		ZSTD_DCtx_reset(packed->zstd, ZSTD_reset_session_only);
	packed->input.pos = packed->input.size = 0;
	packed->frame_left = 0;
	packed->offset = 0;
	return 0;
}

static int read_stored(struct packed *packed, void *to, size_t room, size_t *got, struct err *err)
{
	*got = fread(to, 1, room, packed->file);
	packed->offset += *got;
	if (*got == 0 && ferror(packed->file))
		return err_set(err, ERR_IO, "%s: byte %llu: %s", packed->path,
			       (unsigned long long)packed->offset, strerror(errno));
	return 0;
}

static int read_zstd(struct packed *packed, void *to, size_t room, size_t *got, struct err *err)
{
	ZSTD_outBuffer output = { to, room, 0 };

	while (output.pos == 0) {
		if (packed->input.pos == packed->input.size) {
			packed->input.pos = 0;
			if (read_stored(packed, packed->stored, STORED_BYTES, &packed->input.size,
					err))
				return -1;
		}
		if (packed->input.size == 0) {
			if (packed->frame_left == 0)
				break;
			return err_set(
				err, ERR_INPUT,
				"%s: byte %llu: the file ends inside its zstd data; it was cut: "
				"fetch it again, or keep what there is with zstd -dc > FILE",
				packed->path, (unsigned long long)packed->offset);
		}
		packed->frame_left = ZSTD_decompressStream(packed->zstd, &output, &packed->input);
		if (ZSTD_isError(packed->frame_left))
			return err_set(
				err, ERR_INPUT,
				"%s: near byte %llu: damaged zstd data (%s); fetch the file again",
				packed->path, (unsigned long long)packed->offset,
				ZSTD_getErrorName(packed->frame_left));
	}
	*got = output.pos;
	return 0;
}

int packed_read(struct packed *packed, void *to, size_t room, size_t *got, struct err *err)
{
	return packed->zstd ? read_zstd(packed, to, room, got, err)
			    : read_stored(packed, to, room, got, err);
}

const char *packed_path(const struct packed *packed)
{
	return packed->path;
}

bool packed_is_plain(const struct packed *packed)
{
	return !packed->zstd;
}

uint64_t packed_bytes(const struct packed *packed)
{
	return packed->bytes;
}

uint64_t packed_offset(const struct packed *packed)
{
	return packed->offset;
}
