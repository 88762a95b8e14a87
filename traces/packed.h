/*
 * The bytes of a recorded file, plain or unpacked from zstd on the way, in memory of about
 * 128 KiB (plus zstd's window, at most 128 MiB).
 */
#ifndef IOMMUSIM_TRACES_PACKED_H
#define IOMMUSIM_TRACES_PACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hw/base/err.h"

struct packed;

/* path is a regular file, not "-": importers read their input more than once. */
int packed_open(const char *path, struct packed **out, struct err *err);
void packed_close(struct packed *packed); /* NULL is allowed */
int packed_rewind(struct packed *packed, struct err *err);

/* At most `room` bytes; *got is 0 only at the end. -1: *err names the file and the byte. */
int packed_read(struct packed *packed, void *to, size_t room, size_t *got, struct err *err);

const char *packed_path(const struct packed *packed);
bool packed_is_plain(const struct packed *packed);
uint64_t packed_bytes(const struct packed *packed);  /* size of the file as stored */
uint64_t packed_offset(const struct packed *packed); /* stored bytes read so far */

#endif
