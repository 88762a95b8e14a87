/* Commands as words: the direct way of ranges against the table of all formats. */
#include <criterion/criterion.h>

#include "hw/smmuv3/smmuv3_private.h"
#include "traces/rng.h"

Test(smmuv3_pack, ranges_are_packed_as_by_the_table_of_formats)
{
	static const uint8_t opcodes[] = { CMD_TLBI_NH_VA, CMD_TLBI_S2_IPA };
	struct rng rng = rng_seed(1);

	for (unsigned i = 0; i < 10000; i++) {
		bool stage2 = i % 2;
		struct smmu_range_command range = { .opcode = opcodes[stage2],
						    .num = (uint8_t)rng_below(&rng, 32),
						    .scale = (uint8_t)rng_below(&rng, 32),
						    .tg = (uint8_t)rng_below(&rng, 4),
						    .leaf = rng_below(&rng, 2),
						    .page = rng_next(&rng) >> 12 };
		struct smmuv3_command command = { .opcode = range.opcode,
						  .num = range.num,
						  .scale = range.scale,
						  .tg = range.tg,
						  .leaf = range.leaf,
						  .page = range.page };
		struct native_command direct, table;

		range.vmid = (uint16_t)rng_next(&rng);
		range.asid = stage2 ? 0 : (uint16_t)rng_next(&rng);
		command.vmid = range.vmid;
		command.asid = range.asid;
		smmu_pack_range(&range, &direct);
		cr_assert(smmuv3_pack(&command, &table));
		cr_assert_arr_eq(direct.words, table.words, sizeof direct.words);
	}
}
