/*
 * Test vectors for SMMUv3: ID register fields as settings, register fields as start-up writes.
 *
 * Names are the manual's (IHI 0070 chapter 6): fields of ID registers below `idr`, fields of control
 * registers by themselves (RECINVSID) or with their register (CR2.RECINVSID), whole registers.
 */
#include <string.h>

#include "hw/smmuv3/smmuv3_vectors.h"

/* ---- the unit ------------------------------------------------------------------------------- */

#define AT(field) offsetof(struct smmuv3_config, field)

/* Fields of the ID registers that are settings. */
static const struct {
	const char *name;
	size_t offset;
} settings[] = {
	{ "S1P", AT(s1p) },
	{ "S2P", AT(s2p) },
	{ "Hyp", AT(hyp) },
	{ "HTTU", AT(httu) },
	{ "ATS", AT(ats) },
	{ "NS1ATS", AT(ns1ats) },
	{ "ASID16", AT(asid16) },
	{ "PRI", AT(pri) },
	{ "VMW", AT(vmw) },
	{ "VMID16", AT(vmid16) },
	{ "CD2L", AT(cd2l) },
	{ "STALL_MODEL", AT(stall_model) },
	{ "TERM_MODEL", AT(term_model) },
	{ "ST_LEVEL", AT(st_level) },
	{ "SIDSIZE", AT(sidsize) },
	{ "SSIDSIZE", AT(ssidsize) },
	{ "PRIQS", AT(priqs) },
	{ "EVENTQS", AT(eventqs) },
	{ "CMDQS", AT(cmdqs) },
	{ "ATTR_PERMS_OVR", AT(attr_perms_ovr) },
	{ "HAD", AT(had) },
	{ "XNX", AT(xnx) },
	{ "PPS", AT(pps) },
	{ "STT", AT(stt) },
	{ "RIL", AT(ril) },
	{ "BBML", AT(bbml) },
	{ "E0PD", AT(e0pd) },
	{ "OAS", AT(oas) },
	{ "GRAN4K", AT(gran4k) },
	{ "GRAN16K", AT(gran16k) },
	{ "GRAN64K", AT(gran64k) },
	{ "VAX", AT(vax) },
	{ "STALL_MAX", AT(stall_max) },
	{ "AIDR", AT(version) },
};

/* Those of which the model is one value only; ANY: they change nothing that is modelled. */
#define ANY UINT64_MAX
static const struct {
	const char *name;
	uint64_t only;
} fixed[] = {
	{ "TTF", 2 },
	{ "TTENDIAN", 2 },
	{ "COHACC", ANY },
	{ "BTM", ANY },
	{ "MSI", ANY },
	{ "SEV", ANY },
	{ "ATOS", 0 },
	{ "VATOS", 0 },
	{ "ATSRECERR", ANY },
	{ "REL", ANY },
	{ "ATTR_TYPES_OVR", ANY },
	{ "QUEUES_PRESET", 0 },
	{ "TABLES_PRESET", 0 },
	{ "ECMDQ", 0 },
	{ "PBHA", ANY },
	{ "MPAM", 0 },
	{ "FWB", ANY },
	{ "PTWNNC", ANY },
	{ "DPT", 0 },
	{ "PASIDTT", 0 },
	{ "EPAN", 0 },
	{ "S1PI", 0 },
	{ "S2PI", 0 },
	{ "S2PO", 0 },
	{ "THE", 0 },
	{ "MTEPERM", ANY },
	{ "AIE", 0 },
	{ "DS", 0 },
	{ "D128", 0 },
};

static const struct setting *row_of(size_t offset)
{
	const struct setting *row = smmuv3_settings;

	while (row->offset != offset)
		row++;
	return row;
}

static int set_number(struct smmuv3_config *config, size_t offset, const struct named_value *value,
		      struct err *err)
{
	const struct setting *row = row_of(offset);
	uint64_t least = row->type == SETTING_BOOL ? 0 : row->min;
	uint64_t most = row->type == SETTING_BOOL ? 1 : row->max;

	if (!value->number || value->value < least || value->value > most)
		return err_set(err, ERR_CONFIG, "%.40s '%.40s': expected %llu to %llu (%s)",
			       value->name, value->text, (unsigned long long)least,
			       (unsigned long long)most, row->key);
	memcpy((char *)config + offset, &value->value, sizeof value->value);
	return 0;
}

/* 1: done, 0: not the name of an ID register's field, -1: *err. */
static int set_id_field(struct smmuv3_config *config, const char *name,
			const struct named_value *value, struct err *err)
{
	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
		if (!strcmp(settings[i].name, name))
			return set_number(config, settings[i].offset, value, err) ? -1 : 1;
	for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
		if (strcmp(fixed[i].name, name) != 0)
			continue;
		if (value->number && (fixed[i].only == ANY || value->value == fixed[i].only))
			return 1;
		return err_set(err, ERR_CONFIG,
			       "%.40s '%.40s': the model is none but %llu; 'iommusim models "
			       "smmuv3' says what it leaves out",
			       value->name, value->text, (unsigned long long)fixed[i].only);
	}
	return 0;
}

/* "idr.OAS", "IDR5.OAS" -> "OAS"; NULL: no ID register. */
static const char *id_name(const char *name)
{
	const char *dot = strchr(name, '.');

	if (!dot || (strncmp(name, "idr.", 4) != 0 && strncmp(name, "IDR", 3) != 0))
		return NULL;
	return dot + 1;
}

/* ---- start-up writes ------------------------------------------------------------------------- */

static const struct start_register {
	const char *name;
	uint64_t offset;
	unsigned size;
} registers[] = {
	{ "STRTAB_BASE", SMMU_STRTAB_BASE, 8 },
	{ "STRTAB_BASE_CFG", SMMU_STRTAB_BASE_CFG, 4 },
	{ "CMDQ_BASE", SMMU_CMDQ_BASE, 8 },
	{ "EVENTQ_BASE", SMMU_EVENTQ_BASE, 8 },
	{ "PRIQ_BASE", SMMU_PRIQ_BASE, 8 },
	{ "EVENTQ_PROD", SMMU_EVENTQ_PROD, 4 },
	{ "EVENTQ_CONS", SMMU_EVENTQ_CONS, 4 },
	{ "PRIQ_PROD", SMMU_PRIQ_PROD, 4 },
	{ "PRIQ_CONS", SMMU_PRIQ_CONS, 4 },
	{ "CMDQ_PROD", SMMU_CMDQ_PROD, 4 },
	{ "CMDQ_CONS", SMMU_CMDQ_CONS, 4 },
	{ "GBPA", SMMU_GBPA, 4 },
	{ "CR1", SMMU_CR1, 4 },
	{ "CR2", SMMU_CR2, 4 },
	{ "IRQ_CTRL", SMMU_IRQ_CTRL, 4 },
	{ "GERRORN", SMMU_GERRORN, 4 },
	{ "CR0", SMMU_CR0, 4 }, /* last: it enables */
};
enum { REGISTERS = sizeof registers / sizeof registers[0] };

static const struct smmu_register_field fields[] = {
	{ "STRTAB_BASE", "RA", 62, 1 },
	{ "STRTAB_BASE_CFG", "LOG2SIZE", 0, 6 },
	{ "STRTAB_BASE_CFG", "SPLIT", 6, 5 },
	{ "STRTAB_BASE_CFG", "FMT", 16, 2 },
	{ "CMDQ_BASE", "CMDQ_LOG2SIZE", 0, 5 },
	{ "EVENTQ_BASE", "EVENTQ_LOG2SIZE", 0, 5 },
	{ "PRIQ_BASE", "PRIQ_LOG2SIZE", 0, 5 },
	{ "GBPA", "GBPA_ABORT", 20, 1 },
	{ "GBPA", "GBPA.ABORT", 20, 1 },
	{ "GBPA", "GBPA.UPDATE", 31, 1 },
	{ "CR2", "E2H", 0, 1 },
	{ "CR2", "RECINVSID", 1, 1 },
	{ "CR2", "PTM", 2, 1 },
	{ "CR2", "REC_CFG_ATS", 3, 1 },
	{ "IRQ_CTRL", "GERROR_IRQEN", 0, 1 },
	{ "IRQ_CTRL", "PRIQ_IRQEN", 1, 1 },
	{ "IRQ_CTRL", "EVENTQ_IRQEN", 2, 1 },
	{ "CR0", "SMMUEN", 0, 1 },
	{ "CR0", "PRIQEN", 1, 1 },
	{ "CR0", "EVENTQEN", 2, 1 },
	{ "CR0", "CMDQEN", 3, 1 },
	{ "CR0", "ATSCHK", 4, 1 },
	{ "CR0", "VMW", 6, 3 },
	{ "CMDQ_PROD", "CMDQ_PROD.WR", 0, 20 },
	{ "CMDQ_CONS", "CMDQ_CONS.RD", 0, 20 },
	{ "CMDQ_CONS", "CMDQ_CONS.ERR", 24, 7 },
	{ "EVENTQ_PROD", "EVENTQ_PROD.WR", 0, 20 },
	{ "EVENTQ_PROD", "EVENTQ_PROD.OVFLG", 31, 1 },
	{ "EVENTQ_CONS", "EVENTQ_CONS.RD", 0, 20 },
	{ "EVENTQ_CONS", "EVENTQ_CONS.OVACKFLG", 31, 1 },
	{ "PRIQ_PROD", "PRIQ_PROD.WR", 0, 20 },
	{ "PRIQ_PROD", "PRIQ_PROD.OVFLG", 31, 1 },
	{ "PRIQ_CONS", "PRIQ_CONS.RD", 0, 20 },
	{ "PRIQ_CONS", "PRIQ_CONS.OVACKFLG", 31, 1 },
};

/* By the field's name, or with its register's in front. */
const struct smmu_register_field *smmu_register_field(const char *name)
{
	const char *dot = strchr(name, '.');
	size_t before = dot ? (size_t)(dot - name) : 0;

	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		if (!strcmp(fields[i].name, name) ||
		    (dot && !strcmp(fields[i].name, dot + 1) && strlen(fields[i].reg) == before &&
		     !strncmp(fields[i].reg, name, before)))
			return &fields[i];
	return NULL;
}

static unsigned register_number(const char *name)
{
	unsigned i = 0;

	while (i < REGISTERS && strcmp(registers[i].name, name) != 0)
		i++;
	return i;
}

/* A whole register, or a field of one, into values[]; 0: neither. */
static int set_register(uint64_t values[REGISTERS], const struct named_value *value,
			struct err *err)
{
	const struct smmu_register_field *field = smmu_register_field(value->name);
	unsigned whole = register_number(value->name);
	unsigned width = field ? field->width : whole < REGISTERS ? registers[whole].size * 8 : 0;
	uint64_t *word;

	if (!width)
		return 0;
	if (!value->number || value->value & ~low_mask(width))
		return err_set(err, ERR_CONFIG, "%.40s '%.40s': expected a number of %u bits",
			       value->name, value->text, width);
	word = &values[field ? register_number(field->reg) : whole];
	if (field)
		*word = (*word & ~(low_mask(width) << field->low)) | value->value << field->low;
	else
		*word = value->value;
	return 1;
}

static int check_one(struct smmuv3_config *config, const struct named_value *value, struct err *err)
{
	uint64_t values[REGISTERS] = { 0 };
	const char *id = id_name(value->name);
	int known = id ? set_id_field(config, id, value, err) : set_register(values, value, err);

	if (known < 0)
		return -1;
	if (!known)
		return err_set(
			err, ERR_CONFIG,
			"'%.40s': expected idr with fields of ID registers (OAS, SIDSIZE, "
			"...), a register (STRTAB_BASE, CR0, ...) or a field of one (SMMUEN, "
			"LOG2SIZE, FMT, SPLIT, RECINVSID, GBPA_ABORT, ATSCHK, "
			"EVENTQ_LOG2SIZE, PRIQ_LOG2SIZE, ...)",
			value->name);
	return 0;
}

/* Nothing is evicted from the caches of a vector's unit; queues have 128 entries. */
static int smmu_configure_from(void *settings_of, const struct named_value *values, size_t n,
			       struct err *err)
{
	struct smmuv3_config *config = settings_of;

	config->tlb_sets = 256;
	config->tlb_ways = 16;
	config->walk_entries = 128;
	config->walk_ways = 0;
	config->recinvsid = config->atschk = 0;
	config->eventq_log2 = config->priq_log2 = 7;
	for (size_t i = 0; i < n; i++)
		if (check_one(config, &values[i], err))
			return -1;
	return 0;
}

/* Switches that a sequence relies on, beside fields of ID registers. */
static int smmu_option(void *settings_of, const struct named_value *option, struct err *err)
{
	static const struct {
		const char *name, *text;
		size_t offset; /* SIZE_MAX: what the model always does */
		uint64_t value;
	} words[] = {
		{ "walk_cache", "on", SIZE_MAX, 0 },
		{ "walk_cache", "off", AT(walk_entries), 0 },
		{ "contig", "honour", AT(contiguous), 1 },
		{ "contig", "ignore", AT(contiguous), 0 },
		{ "early_retry", "off", SIZE_MAX, 0 },
		{ "over_invalidation", "off", AT(over_invalidation), 0 },
		{ "over_invalidation", "on", AT(over_invalidation), 1 },
		{ "tlb", "combined", SIZE_MAX, 0 },
		{ "ipa_cache", "off", SIZE_MAX, 0 },
		{ "micro_tlb", "off", SIZE_MAX, 0 },
		{ "negative_caching", "on", AT(cache_illegal), 1 },
		{ "negative_caching", "off", AT(cache_illegal), 0 },
		{ "merge_events", "on", AT(merge), 1 },
		{ "merge_events", "off", AT(merge), 0 },
		{ "multi_hit", "F_TLB_CONFLICT", AT(multi_hit), SMMUV3_CONFLICT },
		{ "multi_hit", "conflict", AT(multi_hit), SMMUV3_CONFLICT },
		{ "multi_hit", "oldest", AT(multi_hit), SMMUV3_OLDEST },
		{ "multi_hit", "newest", AT(multi_hit), SMMUV3_NEWEST },
		{ "multi_hit", "largest", AT(multi_hit), SMMUV3_LARGEST },
		{ "arch", "3.0", AT(version), 0 },
		{ "arch", "3.1", AT(version), 1 },
		{ "arch", "3.2", AT(version), 2 },
		{ "arch", "3.3", AT(version), 3 },
		{ "arch", "3.4", AT(version), 4 },
		{ "arch", "3.5", AT(version), 5 },
	};
	struct smmuv3_config *config = settings_of;
	const char *expected = NULL;
	int known;

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcmp(words[i].name, option->name) != 0)
			continue;
		expected = words[i].text;
		if (strcmp(words[i].text, option->text) != 0)
			continue;
		if (words[i].offset != SIZE_MAX)
			memcpy((char *)config + words[i].offset, &words[i].value, sizeof(uint64_t));
		return 0;
	}
	if (expected)
		return err_set(err, ERR_CONFIG,
			       "opts: %.40s '%.40s': the model cannot; it can '%s'", option->name,
			       option->text, expected);
	if (!strcmp(option->name, "EVENTQ_LOG2SIZE"))
		return set_number(config, AT(eventq_log2), option, err);
	if (!strcmp(option->name, "PRIQ_LOG2SIZE"))
		return set_number(config, AT(priq_log2), option, err);
	known = set_id_field(config, option->name, option, err);
	if (known)
		return known < 0 ? -1 : 0;
	return err_set(err, ERR_CONFIG,
		       "opts: '%.40s': expected a field of an ID register (BBML, RIL, ...), arch, "
		       "walk_cache, contig, over_invalidation, early_retry, negative_caching, "
		       "multi_hit, merge_events, EVENTQ_LOG2SIZE, PRIQ_LOG2SIZE, or a setting "
		       "(smmuv3.tlb.ways)",
		       option->name);
}

/* Queues lie at the end of memory, where the vector says nothing else. */
static uint64_t queue_below(pa_t *end, uint64_t log2, unsigned entry_lg2)
{
	unsigned bytes_lg2 = (unsigned)log2 + entry_lg2 < 12 ? 12 : (unsigned)log2 + entry_lg2;

	*end = (*end - (1ull << bytes_lg2)) & ~low_mask(bytes_lg2);
	return *end | log2;
}

static int smmu_start_from(struct iommu *iommu, const struct named_value *given, size_t n,
			   struct err *err)
{
	const struct smmu *smmu = smmu_of(iommu);
	pa_t end = 1ull << smmu->config.oas;
	uint64_t values[REGISTERS] = { 0 };

	if (smmu->memory->limit < end)
		end = smmu->memory->limit;
	values[register_number("CMDQ_BASE")] = queue_below(&end, 7, 4);
	values[register_number("EVENTQ_BASE")] = queue_below(&end, smmu->config.eventq_log2, 5);
	values[register_number("PRIQ_BASE")] = queue_below(&end, smmu->config.priq_log2, 4);
	values[register_number("GBPA")] = 1u << 31;
	values[register_number("IRQ_CTRL")] = 7;
	values[register_number("CR0")] = 0xf; /* every queue and translation on */
	for (size_t i = 0; i < n; i++)
		if (!id_name(given[i].name) && set_register(values, &given[i], err) < 0)
			return -1;
	for (unsigned i = 0; i < REGISTERS; i++)
		smmu_reg_write(iommu, 0, registers[i].offset, values[i], registers[i].size);
	return 0;
}

/* ---- registers and queues --------------------------------------------------------------------- */

static bool smmu_find_register(const struct iommu *iommu, const char *name, uint64_t *offset,
			       unsigned *size)
{
	static const struct start_register read_only[] = {
		{ "IDR0", 0x0, 4 },
		{ "IDR1", 0x4, 4 },
		{ "IDR3", 0xc, 4 },
		{ "IDR5", 0x14, 4 },
		{ "AIDR", 0x1c, 4 },
		{ "CR0ACK", SMMU_CR0ACK, 4 },
		{ "IRQ_CTRLACK", SMMU_IRQ_CTRLACK, 4 },
		{ "GERROR", SMMU_GERROR, 4 },
	};
	const struct start_register *found = NULL;
	unsigned number = register_number(name);

	(void)iommu;
	if (number < REGISTERS)
		found = &registers[number];
	for (size_t i = 0; i < sizeof read_only / sizeof read_only[0]; i++)
		if (!strcmp(read_only[i].name, name))
			found = &read_only[i];
	if (!found)
		return false;
	*offset = found->offset;
	*size = found->size;
	return true;
}

static unsigned smmu_fault_record(const struct iommu *iommu, uint64_t words[FAULT_RECORD_WORDS])
{
	const struct smmu *smmu = (const struct smmu *)iommu;
	pa_t at = smmu_queue_at(&smmu->evtq, smmu->evtq.prod - 1, 5);

	for (unsigned i = 0; i < 4; i++)
		if (!smmu_read(smmu, at + i * 8ull, &words[i]))
			return 0;
	return 4;
}

static bool inside(const struct smmu_queue *queue, unsigned entry_lg2, pa_t pa)
{
	pa_t first = smmu_queue_at(queue, 0, entry_lg2);

	return pa >= first && pa - first < 1ull << (queue->log2 + entry_lg2);
}

static bool smmu_in_queue(const struct iommu *iommu, pa_t pa)
{
	const struct smmu *smmu = (const struct smmu *)iommu;

	return inside(&smmu->evtq, 5, pa) || inside(&smmu->priq, 4, pa);
}

static void smmu_command_queue(const struct iommu *iommu, struct command_queue *queue)
{
	const struct smmu *smmu = (const struct smmu *)iommu;

	*queue = (struct command_queue){ .base = smmu_queue_at(&smmu->cmdq, 0, 4),
					 .entries = 1ull << smmu->cmdq.log2,
					 .entry_bytes = 16,
					 .tail_offset = SMMU_CMDQ_PROD,
					 .tail_size = 4 };
}

static void smmu_put_stag(struct native_command *command, uint64_t stag)
{
	command->words[1] = (command->words[1] & ~low_mask(16)) | (stag & low_mask(16));
}

const struct iommu_vectors smmuv3_vectors = {
	.configure_from = smmu_configure_from,
	.option = smmu_option,
	.start_from = smmu_start_from,
	.find_register = smmu_find_register,
	.fault_record = smmu_fault_record,
	.in_queue = smmu_in_queue,
	.command_queue = smmu_command_queue,
	.put_stag = smmu_put_stag,
	.encode = smmu_vector_encode,
	.act = smmu_vector_act,
	.field = smmu_vector_field,
};
