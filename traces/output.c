#include "traces/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void forget(struct output *output)
{
	free(output->path);
	free(output->part);
	*output = (struct output){ 0 };
}

static bool in_place(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && !S_ISREG(status.st_mode);
}

const char *output_name(const struct output *output)
{
	return output->part ? output->part : output->path;
}

int output_open(struct output *output, const char *path, struct err *err)
{
	bool standard = strcmp(path, "-") == 0, part = !standard && !in_place(path);
	size_t size = strlen(path) + sizeof ".part";

	*output = (struct output){ .path = strdup(standard ? "standard output" : path),
				   .part = part ? malloc(size) : NULL };
	if (!output->path || (part && !output->part)) {
		forget(output);
		return err_no_memory(err, "an output file");
	}
	if (part)
		snprintf(output->part, size, "%s.part", path);
	output->file = standard ? stdout : fopen(output_name(output), "wb");
	if (output->file)
		return 0;
	err_set(err, ERR_IO, "%s: %s", output_name(output), strerror(errno));
	forget(output);
	return -1;
}

void output_discard(struct output *output)
{
	if (output->file != stdout)
		fclose(output->file);
	if (output->part)
		remove(output->part);
	forget(output);
}

int output_commit(struct output *output, struct err *err)
{
	if (fflush(output->file) || (output->part && fsync(fileno(output->file)))) {
		err_set(err, ERR_IO, "%s: %s", output_name(output), strerror(errno));
		output_discard(output);
		return -1;
	}
	if (output->part && rename(output->part, output->path)) {
		err_set(err, ERR_IO, "%s: %s", output->path, strerror(errno));
		output_discard(output);
		return -1;
	}
	if (output->file != stdout)
		fclose(output->file);
	forget(output);
	return 0;
}
