/* Bit fields of 64-bit words as manuals write them, [high:low] inclusive, and the two
 * kinds of address that must not be mixed up. */
#ifndef IOMMUSIM_HW_BASE_BITS_H
#define IOMMUSIM_HW_BASE_BITS_H

#include <stdbool.h>
#include <stdint.h>

typedef uint64_t iova_t; /* what a device puts on the bus */
typedef uint64_t pa_t;	 /* what reaches memory */

/* The lowest `count` bits set; count 0 to 64. */
static inline uint64_t low_mask(unsigned count)
{
	return count >= 64 ? UINT64_MAX : (1ull << count) - 1;
}

/* The offset bits of a page of 2^lg2 bytes; lg2 below 64. */
static inline uint64_t page_mask(unsigned lg2)
{
	return (1ull << lg2) - 1;
}

/* Bits [high:low] of word, moved down to bit 0. */
static inline uint64_t bits(uint64_t word, unsigned high, unsigned low)
{
	return (word >> low) & low_mask(high - low + 1);
}

/* Bits [high:low] of word, left where they are; everything else 0. */
static inline uint64_t bits_at(uint64_t word, unsigned high, unsigned low)
{
	return word & (low_mask(high - low + 1) << low);
}

static inline bool bit(uint64_t word, unsigned index)
{
	return (word >> index) & 1;
}

/* log2 of a power of two, or of the power of two below; word is not 0. */
static inline unsigned log2_floor(uint64_t word)
{
	return 63u - (unsigned)__builtin_clzll(word);
}

#endif
