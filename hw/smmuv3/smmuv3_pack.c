/* Command formats: fields to words and back (IHI 0070 4.2 to 4.7; every field of the tables there). */
#include <string.h>

#include "hw/smmuv3/smmuv3_private.h"

/* Where a field of struct smmuv3_command lies: word, lowest bit, width. */
struct place {
	size_t field;
	uint8_t word, low, width;
};

#define FIELD(name, word, low, width)                                                              \
	{                                                                                          \
		offsetof(struct smmuv3_command, name), word, low, width                            \
	}
#define SUBSTREAM FIELD(sid, 0, 32, 32), FIELD(ssid, 0, 12, 20), FIELD(ssv, 0, 11, 1)
#define RANGE                                                                                      \
	FIELD(num, 0, 12, 5), FIELD(scale, 0, 20, 5), FIELD(leaf, 1, 0, 1), FIELD(ttl, 1, 8, 2),   \
		FIELD(tg, 1, 10, 2), FIELD(page, 1, 12, 52)
enum { PLACES = 9 };

static const struct format {
	bool there;
	struct place places[PLACES]; /* width 0 ends */
} formats[] = {
	[CMD_PREFETCH_CONFIG] = { true, { SUBSTREAM } },
	[CMD_PREFETCH_ADDR] = { true, { SUBSTREAM, FIELD(size, 1, 0, 5), FIELD(page, 1, 12, 52) } },
	[CMD_CFGI_STE] = { true, { FIELD(sid, 0, 32, 32), FIELD(leaf, 1, 0, 1) } },
	[CMD_CFGI_STE_RANGE] = { true, { FIELD(sid, 0, 32, 32), FIELD(size, 1, 0, 5) } },
	[CMD_CFGI_CD] = { true,
			  { FIELD(sid, 0, 32, 32), FIELD(ssid, 0, 12, 20), FIELD(leaf, 1, 0, 1) } },
	[CMD_CFGI_CD_ALL] = { true, { FIELD(sid, 0, 32, 32) } },
	[CMD_TLBI_NH_ALL] = { true, { FIELD(vmid, 0, 32, 16) } },
	[CMD_TLBI_NH_ASID] = { true, { FIELD(vmid, 0, 32, 16), FIELD(asid, 0, 48, 16) } },
	[CMD_TLBI_NH_VA] = { true, { FIELD(vmid, 0, 32, 16), FIELD(asid, 0, 48, 16), RANGE } },
	[CMD_TLBI_NH_VAA] = { true, { FIELD(vmid, 0, 32, 16), RANGE } },
	[CMD_TLBI_EL2_ALL] = { true, { { 0 } } },
	[CMD_TLBI_EL2_ASID] = { true, { FIELD(asid, 0, 48, 16) } },
	[CMD_TLBI_EL2_VA] = { true, { FIELD(asid, 0, 48, 16), RANGE } },
	[CMD_TLBI_EL2_VAA] = { true, { RANGE } },
	[CMD_TLBI_S12_VMALL] = { true, { FIELD(vmid, 0, 32, 16) } },
	[CMD_TLBI_S2_IPA] = { true, { FIELD(vmid, 0, 32, 16), RANGE } },
	[CMD_TLBI_NSNH_ALL] = { true, { { 0 } } },
	[CMD_ATC_INV] = { true,
			  { SUBSTREAM, FIELD(global, 0, 9, 1), FIELD(size, 1, 0, 6),
			    FIELD(page, 1, 12, 52) } },
	[CMD_PRI_RESP] = { true, { SUBSTREAM, FIELD(group, 1, 0, 9), FIELD(response, 1, 12, 2) } },
	[CMD_RESUME] = { true,
			 { FIELD(sid, 0, 32, 32), FIELD(retry, 0, 12, 1), FIELD(abort, 0, 13, 1),
			   FIELD(stag, 1, 0, 16) } },
	[CMD_STALL_TERM] = { true, { FIELD(sid, 0, 32, 32) } },
	[CMD_SYNC] = { true,
		       { FIELD(signal, 0, 12, 2), FIELD(msi_data, 0, 32, 32),
			 FIELD(msi_word, 1, 2, 54) } },
};

static const struct format *format_of(unsigned opcode)
{
	return opcode < sizeof formats / sizeof formats[0] && formats[opcode].there
		       ? &formats[opcode]
		       : NULL;
}

bool smmuv3_pack(const struct smmuv3_command *command, struct native_command *native)
{
	const struct format *format = format_of(command->opcode);

	*native = (struct native_command){ .words = { command->opcode } };
	for (unsigned i = 0; format && i < PLACES && format->places[i].width; i++) {
		const struct place *place = &format->places[i];
		uint64_t value;

		memcpy(&value, (const char *)command + place->field, sizeof value);
		native->words[place->word] |= (value & low_mask(place->width)) << place->low;
	}
	return format != NULL;
}

void smmu_pack_range(const struct smmu_range_command *range, struct native_command *native)
{
	*native = (struct native_command){
		.words = { range->opcode | (uint64_t)range->num << 12 |
				   (uint64_t)range->scale << 20 | (uint64_t)range->vmid << 32 |
				   (uint64_t)range->asid << 48,
			   range->leaf | (uint64_t)range->tg << 10 | range->page << 12 }
	};
}

bool smmuv3_unpack(const struct native_command *native, struct smmuv3_command *command)
{
	const struct format *format = format_of((unsigned)bits(native->words[0], 7, 0));

	*command = (struct smmuv3_command){ .opcode = (uint8_t)native->words[0] };
	for (unsigned i = 0; format && i < PLACES && format->places[i].width; i++) {
		const struct place *place = &format->places[i];
		uint64_t value = native->words[place->word] >> place->low & low_mask(place->width);

		memcpy((char *)command + place->field, &value, sizeof value);
	}
	return format != NULL;
}
