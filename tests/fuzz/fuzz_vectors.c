/* Hostile files of test vectors, YAML and JSON Lines: read, run and mutated without a crash. */
#include "analysis/vectors.h"
#include "tests/fuzz/input_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[PATH_BYTES];
	struct vector_run run = { .path = path, .mutate = true };
	struct err err = { 0 };

	if (!path[0])
		make_input_file(path);
	write_input_file(path, data, size);
	vectors_run(&run, &err);
	run.model = iommu_models[0];
	vectors_run(&run, &err);
	return 0;
}
