/* Images of memory and what changed between two; the contract is in vector_image.h. */
#include "analysis/vector_image.h"

#include <stdlib.h>

static int by_address(const void *a, const void *b)
{
	pa_t left = ((const struct table_word *)a)->pa, right = ((const struct table_word *)b)->pa;

	return left < right ? -1 : left > right;
}

int image_take(const struct memory *memory, struct memory_image *image, struct err *err)
{
	size_t words = 0;

	for (uint64_t i = 0; i < memory->n_buckets; i++)
		words += memory->buckets[i].frame ? memory->buckets[i].frame->nonzero : 0;
	*image = (struct memory_image){ .words = malloc((words + 1) * sizeof *image->words) };
	if (!image->words)
		return err_no_memory(err, "an image of memory");
	for (uint64_t i = 0; i < memory->n_buckets; i++) {
		const struct frame *frame = memory->buckets[i].frame;

		for (unsigned at = 0; frame && frame->nonzero && at < FRAME_WORDS; at++) {
			uint64_t word = frame_word(frame, at);

			if (word && image->n < words)
				image->words[image->n++] =
					(struct table_word){ frame->pa + at * 8ull, word };
		}
	}
	qsort(image->words, image->n, sizeof *image->words, by_address);
	return 0;
}

void image_free(struct memory_image *image)
{
	free(image->words);
	*image = (struct memory_image){ 0 };
}

void image_compare(const struct memory_image *before, const struct memory_image *after,
		   struct table_word *changes, size_t room, uint64_t *n)
{
	size_t i = 0, j = 0;

	*n = 0;
	while (i < before->n || j < after->n) {
		pa_t old = i < before->n ? before->words[i].pa : NO_PA;
		pa_t now = j < after->n ? after->words[j].pa : NO_PA;
		struct table_word change = { old, 0 };

		if (now <= old) {
			change = after->words[j++];
			if (now == old && before->words[i++].value == change.value)
				continue;
		} else {
			i++;
		}
		if (*n < room)
			changes[*n] = change;
		++*n;
	}
}
