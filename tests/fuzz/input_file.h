/* Readers that take a path get the fuzzer's bytes through files that live as long as the process. */
#ifndef IOMMUSIM_TESTS_FUZZ_INPUT_FILE_H
#define IOMMUSIM_TESTS_FUZZ_INPUT_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATH_BYTES = 512 };

static inline void make_input_file(char path[PATH_BYTES])
{
	const char *folder = getenv("TMPDIR");
	int fd;

	snprintf(path, PATH_BYTES, "%s/iommusim-fuzz-XXXXXX", folder ? folder : "/tmp");
	fd = mkstemp(path);
	if (fd < 0)
		abort();
	close(fd);
}

static inline void write_input_file(const char *path, const uint8_t *data, size_t size)
{
	FILE *file = fopen(path, "wb");

	if (!file || (size && fwrite(data, 1, size, file) != size))
		abort();
	fclose(file);
}

#endif
