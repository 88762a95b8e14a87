/* Native containers that were changed on purpose get checksums that hold again. */
#ifndef IOMMUSIM_TESTS_UNIT_IMT_SEAL_H
#define IOMMUSIM_TESTS_UNIT_IMT_SEAL_H

#include "traces/imt_format.h"

/* One block with its header; the payload must be there. */
static inline void imt_seal_block(unsigned char *block)
{
	put32(block + 36, crc32c(0, block + IMT_BLOCK_HEADER, get32(block + 12)));
	put32(block + 60, crc32c(0, block, 60));
}

#endif
