/*
 * Random numbers that depend on the seed alone: xoroshiro128+ (24, 16, 37), seeded by splitmix64.
 * For workloads, not for secrets.
 */
#ifndef IOMMUSIM_TRACES_RNG_H
#define IOMMUSIM_TRACES_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t s[2];
};

static inline uint64_t rng_splitmix(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static inline struct rng rng_seed(uint64_t seed)
{
	struct rng rng;

	rng.s[0] = rng_splitmix(&seed);
	rng.s[1] = rng_splitmix(&seed);
	return rng;
}

static inline uint64_t rng_next(struct rng *rng)
{
	uint64_t a = rng->s[0], b = rng->s[1], r = a + b;

	b ^= a;
	rng->s[0] = ((a << 24) | (a >> 40)) ^ b ^ (b << 16);
	rng->s[1] = (b << 37) | (b >> 27);
	return r;
}

/* 0 to n - 1; the bias of n / 2^32 does not matter here. */
static inline uint32_t rng_below(struct rng *rng, uint32_t n)
{
	return (uint32_t)((rng_next(rng) >> 32) * n >> 32);
}

static inline bool rng_percent(struct rng *rng, uint32_t percent)
{
	return rng_below(rng, 100) < percent;
}

#endif
