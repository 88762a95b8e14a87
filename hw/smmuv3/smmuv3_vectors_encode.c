/*
 * Commands named in words: "TLBI_NH_VA vmid=3 asid=1 va=0x12345000 leaf=1", "RESUME sid=0x10 stag=1
 * retry". Fields by the manual's names in any case; remarks in parentheses are skipped.
 */
#include <stdlib.h>
#include <string.h>

#include "hw/smmuv3/smmuv3_vectors.h"

enum { TOKEN_MAX = 64 };

static const struct {
	const char *name;
	uint8_t opcode;
} commands[] = {
	{ "PREFETCH_CONFIG", CMD_PREFETCH_CONFIG },
	{ "PREFETCH_ADDR", CMD_PREFETCH_ADDR },
	{ "CFGI_STE", CMD_CFGI_STE },
	{ "CFGI_STE_RANGE", CMD_CFGI_STE_RANGE },
	{ "CFGI_ALL", CMD_CFGI_STE_RANGE },
	{ "CFGI_CD", CMD_CFGI_CD },
	{ "CFGI_CD_ALL", CMD_CFGI_CD_ALL },
	{ "TLBI_NH_ALL", CMD_TLBI_NH_ALL },
	{ "TLBI_NH_ASID", CMD_TLBI_NH_ASID },
	{ "TLBI_NH_VA", CMD_TLBI_NH_VA },
	{ "TLBI_NH_VAA", CMD_TLBI_NH_VAA },
	{ "TLBI_EL2_ALL", CMD_TLBI_EL2_ALL },
	{ "TLBI_EL2_ASID", CMD_TLBI_EL2_ASID },
	{ "TLBI_EL2_VA", CMD_TLBI_EL2_VA },
	{ "TLBI_EL2_VAA", CMD_TLBI_EL2_VAA },
	{ "TLBI_S12_VMALL", CMD_TLBI_S12_VMALL },
	{ "TLBI_S2_IPA", CMD_TLBI_S2_IPA },
	{ "TLBI_NSNH_ALL", CMD_TLBI_NSNH_ALL },
	{ "ATC_INV", CMD_ATC_INV },
	{ "PRI_RESP", CMD_PRI_RESP },
	{ "RESUME", CMD_RESUME },
	{ "STALL_TERM", CMD_STALL_TERM },
	{ "SYNC", CMD_SYNC },
};

#define AT(field) offsetof(struct smmuv3_command, field)

/* "name=number"; shift: the field is the value without its low bits, which must be 0. */
static const struct {
	const char *name;
	size_t offset;
	uint8_t shift;
} fields[] = {
	{ "sid", AT(sid), 0 },		{ "ssid", AT(ssid), 0 },
	{ "ssv", AT(ssv), 0 },		{ "vmid", AT(vmid), 0 },
	{ "asid", AT(asid), 0 },	{ "va", AT(page), 12 },
	{ "ipa", AT(page), 12 },	{ "addr", AT(page), 12 },
	{ "address", AT(page), 12 },	{ "leaf", AT(leaf), 0 },
	{ "num", AT(num), 0 },		{ "scale", AT(scale), 0 },
	{ "ttl", AT(ttl), 0 },		{ "tg", AT(tg), 0 },
	{ "size", AT(size), 0 },	{ "range", AT(size), 0 },
	{ "g", AT(global), 0 },		{ "prgi", AT(group), 0 },
	{ "prgindex", AT(group), 0 },	{ "resp", AT(response), 0 },
	{ "ac", AT(retry), 0 },		{ "ab", AT(abort), 0 },
	{ "stag", AT(stag), 0 },	{ "cs", AT(signal), 0 },
	{ "msidata", AT(msi_data), 0 }, { "msiaddress", AT(msi_word), 2 },
};

/* Words that stand for a value of some field, alone or behind "=". */
static const struct {
	const char *word;
	size_t offset;
	uint64_t value;
} words[] = {
	{ "all", AT(size), 52 },
	{ "failure", AT(response), 0 },
	{ "invalid", AT(response), 1 },
	{ "success", AT(response), 2 },
	{ "retry", AT(retry), 1 },
	{ "terminate+abort", AT(abort), 1 },
	{ "terminate", AT(abort), 0 },
	{ "terminate+razwi", AT(abort), 0 },
	{ "4k", AT(tg), 1 },
	{ "16k", AT(tg), 2 },
	{ "64k", AT(tg), 3 },
	{ "sig_none", AT(signal), 0 },
	{ "sig_irq", AT(signal), 1 },
	{ "sig_sev", AT(signal), 2 },
};

static void set(struct smmuv3_command *command, size_t offset, uint64_t value)
{
	memcpy((char *)command + offset, &value, sizeof value);
}

static bool set_word(struct smmuv3_command *command, const char *word)
{
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (!strcmp(words[i].word, word)) {
			set(command, words[i].offset, words[i].value);
			return true;
		}
	return false;
}

/* Where "name=" belongs; NULL: nowhere. The value is behind the "=". */
static bool set_field(struct smmuv3_command *command, const char *token, const char *equals)
{
	size_t length = (size_t)(equals - token);
	char *end;
	uint64_t value = strtoull(equals + 1, &end, 0);

	if (end == equals + 1 || *end)
		return set_word(command, equals + 1);
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		if (strlen(fields[i].name) != length || strncmp(fields[i].name, token, length) != 0)
			continue;
		set(command, fields[i].offset, value >> fields[i].shift);
		/* Only ATC_INV, PRI_RESP and the prefetches have SSV; it is left out elsewhere. */
		if (fields[i].offset == AT(ssid))
			command->ssv = 1;
		return !(value & low_mask(fields[i].shift));
	}
	return false;
}

/* The next word in small letters; false: no more. *rest moves on. */
static bool next_token(const char **rest, char token[TOKEN_MAX])
{
	size_t n = 0;

	*rest += strspn(*rest, " ,:\t");
	while (**rest == '(') {
		*rest += strcspn(*rest, ")");
		*rest += strspn(*rest, ") ,:\t");
	}
	while (**rest && !strchr(" ,:\t(", **rest) && n < TOKEN_MAX - 1) {
		char c = *(*rest)++;

		token[n++] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	token[n] = '\0';
	return n != 0;
}

static bool set_opcode(struct smmuv3_command *command, const char *token)
{
	const char *name = strncmp(token, "cmd_", 4) == 0 ? token + 4 : token;

	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		size_t at = 0;

		while (commands[i].name[at] && (commands[i].name[at] | 0x20) == (name[at] | 0x20))
			at++;
		if (commands[i].name[at] || name[at])
			continue;
		command->opcode = commands[i].opcode;
		if (!strcmp(commands[i].name, "CFGI_ALL"))
			command->size = 31;
		return true;
	}
	return false;
}

int smmu_vector_encode(const struct iommu *iommu, const char *text, struct native_command *native,
		       struct err *err)
{
	struct smmuv3_command command = { 0 };
	char token[TOKEN_MAX] = "";
	const char *rest = text;

	(void)iommu;
	if (!next_token(&rest, token) || !set_opcode(&command, token))
		return err_set(err, ERR_CONFIG,
			       "encode: '%.60s': expected a command such as TLBI_NH_VA", text);
	while (next_token(&rest, token)) {
		const char *equals = strchr(token, '=');

		if (!(equals ? set_field(&command, token, equals) : set_word(&command, token)))
			return err_set(err, ERR_CONFIG,
				       "encode: '%.60s': expected a field such as sid=0x10 and a "
				       "number, or a word such as retry",
				       token);
	}
	if (!smmuv3_pack(&command, native))
		return err_set(err, ERR_CONFIG, "encode: '%.60s': no such command", text);
	return 0;
}
