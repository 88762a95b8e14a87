/* Translation completions as words. */
#include "hw/atc.h"

enum { ATS_R, ATS_W, ATS_U, ATS_EXE, ATS_GLOBAL = 5, ATS_N = 10, ATS_S = 11 };

uint64_t ats_completion_pack(const struct ats_completion *completion)
{
	unsigned lg2 = completion->page_lg2;
	uint64_t word = completion->pa & ~low_mask(lg2);

	if (lg2 > 12) /* ones up to the size, ended by a zero */
		word |= 1ull << ATS_S | (low_mask(lg2 - 1) & ~low_mask(12));
	word |= completion->perm & TLB_READ ? 1ull << ATS_R : 0;
	word |= completion->perm & TLB_WRITE ? 1ull << ATS_W : 0;
	word |= completion->perm & TLB_EXECUTE ? 1ull << ATS_EXE : 0;
	word |= (uint64_t)completion->untranslated_only << ATS_U;
	word |= (uint64_t)completion->global << ATS_GLOBAL;
	return word | (uint64_t)completion->non_snooped << ATS_N;
}

void ats_completion_unpack(uint64_t word, struct ats_completion *completion)
{
	unsigned lg2 = bit(word, ATS_S) ? 13u + (unsigned)__builtin_ctzll(~(word >> 12)) : 12u;

	*completion = (struct ats_completion){
		.pa = word & ~low_mask(lg2),
		.page_lg2 = (uint8_t)lg2,
		.perm = (uint8_t)((bit(word, ATS_R) ? TLB_READ : 0) |
				  (bit(word, ATS_W) ? TLB_WRITE : 0) |
				  (bit(word, ATS_EXE) ? TLB_EXECUTE : 0)),
		.non_snooped = bit(word, ATS_N),
		.global = bit(word, ATS_GLOBAL),
		.untranslated_only = bit(word, ATS_U),
	};
}
