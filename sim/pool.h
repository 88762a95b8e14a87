/*
 * Items of one size that are known by number: taken and given back in any order, the last one given
 * is taken next. Numbers stay, addresses are valid until the next pool_take().
 */
#ifndef IOMMUSIM_SIM_POOL_H
#define IOMMUSIM_SIM_POOL_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { POOL_NONE = UINT32_MAX };

struct pool {
	char *items;
	size_t size;
	uint32_t n, max; /* n: numbers given out so far */
	uint32_t spare;	 /* the item given back last; its first bytes name the one before */
};

/* size: of an item, at least 4. Nothing is allocated yet. */
static inline struct pool pool_of(size_t size)
{
	return (struct pool){ .size = size, .spare = POOL_NONE };
}

static inline void pool_free(struct pool *pool)
{
	free(pool->items);
}

static inline void *pool_at(const struct pool *pool, uint32_t number)
{
	return pool->items + number * pool->size;
}

static inline int pool_grow(struct pool *pool)
{
	uint32_t max = pool->max ? pool->max * 2 : 64;
	char *items = max > pool->max ? realloc(pool->items, max * pool->size) : NULL;

	if (!items)
		return -1;
	pool->items = items;
	pool->max = max;
	return 0;
}

/* The number of an item whose bytes are not set; POOL_NONE: no memory. */
static inline uint32_t pool_take(struct pool *pool)
{
	uint32_t number = pool->spare;

	if (number != POOL_NONE) {
		memcpy(&pool->spare, pool_at(pool, number), sizeof pool->spare);
		return number;
	}
	if (pool->n == pool->max && pool_grow(pool))
		return POOL_NONE;
	return pool->n++;
}

static inline void pool_give(struct pool *pool, uint32_t number)
{
	memcpy(pool_at(pool, number), &pool->spare, sizeof pool->spare);
	pool->spare = number;
}

#endif
