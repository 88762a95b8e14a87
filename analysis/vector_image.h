/*
 * All words of simulated memory that are not 0, by address: what hardware wrote during a request
 * is the difference of two images. Costs a pass over every frame.
 */
#ifndef IOMMUSIM_ANALYSIS_VECTOR_IMAGE_H
#define IOMMUSIM_ANALYSIS_VECTOR_IMAGE_H

#include "hw/iommu.h"

struct memory_image {
	struct table_word *words;
	size_t n;
};

int image_take(const struct memory *memory, struct memory_image *image, struct err *err);
void image_free(struct memory_image *image);
/* Words that differ, with their new value: the first `room` into changes; *n counts all. Queues
 * that the unit writes are left out. */
void image_compare(const struct memory_image *before, const struct memory_image *after,
		   const struct iommu *iommu, struct table_word *changes, size_t room, uint64_t *n);

#endif
