/* Hostile text recordings: what the reader takes, it prints back as the same events. */
#include "tests/fuzz/round_trip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* opened for reading, so the bytes are not written to */
	FILE *file = fmemopen((void *)(uintptr_t)data, size, "r");
	struct recording taken, again;
	struct event_source *source = NULL;

	must(file && !text_source_open(file, "fuzz.events", &source, NULL), "there is memory");
	read_recording(source, &taken);
	print_and_read(&taken, &again);
	must(again.whole, "printed text is taken");
	must(taken.n == again.n, "printing loses no event");
	for (size_t i = 0; i < taken.n; i++) {
		if (same_event(&taken, &again, i))
			continue;
		print_difference(&taken, &again, i);
		must(false, "an event reads back as itself");
	}
	free_recording(&again);
	free_recording(&taken);
	return 0;
}
