#include "hw/memory.h"

#include <stdlib.h>
#include <string.h>

#include "hw/memory_view.h"

enum { CHUNK_FRAMES = 256, FIRST_BUCKETS = 1024 };

struct chunk {
	struct chunk *next;
	uint32_t used;
	struct frame frames[CHUNK_FRAMES];
};

int memory_create(pa_t limit, struct memory **out, struct err *err)
{
	struct memory *memory = calloc(1, sizeof *memory);

	if (!memory)
		return err_no_memory(err, "simulated memory");
	memory->limit = limit;
	memory->n_buckets = FIRST_BUCKETS;
	memory->buckets = calloc(memory->n_buckets, sizeof *memory->buckets);
	if (!memory->buckets) {
		free(memory);
		return err_no_memory(err, "simulated memory");
	}
	*out = memory;
	return 0;
}

void memory_destroy(struct memory *memory)
{
	if (!memory)
		return;
	memory_view_destroy(memory->view);
	free(memory->aborts);
	while (memory->chunks) {
		struct chunk *chunk = memory->chunks;

		memory->chunks = chunk->next;
		for (uint32_t i = 0; i < chunk->used; i++) {
			free(chunk->frames[i].words);
			free(chunk->frames[i].node.links);
		}
		free(chunk);
	}
	free(memory->buckets);
	free(memory);
}

static void insert(struct memory *memory, struct frame *frame)
{
	uint64_t at = memory_hash(memory, frame->pa);

	while (memory->buckets[at].frame)
		at = (at + 1) & (memory->n_buckets - 1);
	memory->buckets[at] = (struct memory_bucket){ frame->pa, frame };
}

static int grow(struct memory *memory)
{
	struct memory_bucket *old = memory->buckets;
	uint64_t n = memory->n_buckets;
	struct memory_bucket *buckets = calloc(n * 2, sizeof *buckets);

	if (!buckets)
		return -1;
	memory->buckets = buckets;
	memory->n_buckets = n * 2;
	for (uint64_t i = 0; i < n; i++)
		if (old[i].frame)
			insert(memory, old[i].frame);
	free(old);
	return 0;
}

struct frame *memory_make(struct memory *memory, pa_t pa)
{
	struct frame *frame = memory_frame(memory, pa);
	struct chunk *chunk = memory->chunks;

	if (frame)
		return frame;
	if (memory->n_frames * 2 >= memory->n_buckets && grow(memory))
		return NULL;
	if (!chunk || chunk->used == CHUNK_FRAMES) {
		chunk = aligned_alloc(64, sizeof *chunk);
		if (!chunk)
			return NULL;
		memset(chunk, 0, sizeof *chunk);
		chunk->next = memory->chunks;
		memory->chunks = chunk;
	}
	frame = &chunk->frames[chunk->used++];
	frame->pa = pa & ~low_mask(FRAME_LG2);
	insert(memory, frame);
	memory->n_frames++;
	return frame;
}

int memory_abort(struct memory *memory, pa_t first, pa_t last, struct err *err)
{
	struct abort_range *aborts =
		realloc(memory->aborts, (memory->n_aborts + 1) * sizeof *aborts);

	if (!aborts)
		return err_no_memory(err, "ranges that abort");
	memory->aborts = aborts;
	aborts[memory->n_aborts++] = (struct abort_range){ first, last };
	return 0;
}

bool memory_read(const struct memory *memory, pa_t pa, uint64_t *value)
{
	const struct frame *frame;

	if (!memory_exists(memory, pa))
		return false;
	for (uint32_t i = 0; i < memory->n_aborts; i++)
		if (pa >= memory->aborts[i].first && pa <= memory->aborts[i].last)
			return false;
	frame = memory_frame(memory, pa);
	*value = frame ? frame_word(frame, (unsigned)bits(pa, FRAME_LG2 - 1, 3)) : 0;
	return true;
}

uint64_t memory_frames(const struct memory *memory)
{
	return memory->n_frames;
}

void memory_visit(const struct memory *memory, pa_t first, pa_t last,
		  void (*visit)(void *ctx, struct frame *frame), void *ctx)
{
	uint64_t page = first >> FRAME_LG2, pages = (last >> FRAME_LG2) - page + 1;

	if (pages > memory->n_frames) {
		for (struct chunk *chunk = memory->chunks; chunk; chunk = chunk->next)
			for (uint32_t i = 0; i < chunk->used; i++)
				if (chunk->frames[i].pa >> FRAME_LG2 >= page &&
				    chunk->frames[i].pa <= last)
					visit(ctx, &chunk->frames[i]);
		return;
	}
	for (; pages; pages--, page++) {
		struct frame *frame = memory_frame(memory, page << FRAME_LG2);

		if (frame)
			visit(ctx, frame);
	}
}

/* Gives the frame an array of words that holds what its run said. */
static int break_run(struct frame *frame)
{
	uint64_t *words = calloc(FRAME_WORDS, sizeof *words);

	if (!words)
		return -1;
	for (unsigned i = 0; i < frame->run_count; i++)
		words[frame->run_first + i] = frame->run_base + i * frame->run_step;
	frame->words = words;
	frame->run_count = 0;
	return 0;
}

/* A word that extends or shortens the run at its end keeps the frame a run. */
static bool fits_run(struct frame *frame, unsigned index, uint64_t value)
{
	if (frame_word(frame, index) == value)
		return true;
	if (frame->run_count == 0 && value) {
		frame->run_first = (uint16_t)index;
		frame->run_base = value;
		frame->run_step = 0;
		frame->run_count = 1;
		return true;
	}
	if (value && index == (unsigned)frame->run_first + frame->run_count) {
		uint64_t step =
			value - (frame->run_base + (frame->run_count - 1u) * frame->run_step);

		if (frame->run_count > 1 && step != frame->run_step)
			return false;
		frame->run_step = step;
		frame->run_count++;
		return true;
	}
	if (!value && frame->run_count &&
	    index + 1u == (unsigned)frame->run_first + frame->run_count) {
		frame->run_count--;
		return true;
	}
	return false;
}

/* frame_set() where the frame is a run still. */
int frame_set_run_word(struct frame *frame, unsigned index, uint64_t value)
{
	uint64_t old = frame_word(frame, index);

	if (!fits_run(frame, index, value)) {
		if (break_run(frame))
			return -1;
		frame->words[index] = value;
	}
	frame->nonzero = (uint16_t)(frame->nonzero + (value != 0) - (old != 0));
	return 0;
}

/* A run that does not wrap has no word that is 0, since its first is not. */
static bool wraps(unsigned count, uint64_t base, uint64_t step)
{
	uint64_t span;

	return __builtin_mul_overflow(step, (uint64_t)count - 1, &span) || base + span < base;
}

int frame_set_run(struct frame *frame, unsigned index, unsigned count, uint64_t base, uint64_t step)
{
	if (!frame->words && frame->nonzero == 0 && base && count > 1 &&
	    !wraps(count, base, step)) {
		frame->run_first = (uint16_t)index;
		frame->run_count = (uint16_t)count;
		frame->run_base = base;
		frame->run_step = step;
		frame->nonzero = (uint16_t)count;
		return 0;
	}
	if (!frame->words && base == 0 && step == 0 && index <= frame->run_first &&
	    index + count >= (unsigned)frame->run_first + frame->run_count) {
		frame->run_count = 0;
		frame->nonzero = 0;
		return 0;
	}
	for (unsigned i = 0; i < count; i++)
		if (frame_set(frame, index + i, base + i * step))
			return -1;
	return 0;
}
