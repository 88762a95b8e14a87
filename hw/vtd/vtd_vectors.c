/* Test vectors for VT-d: CAP and ECAP as settings, RTADDR, register names, the fault record. */
#include <string.h>

#include "hw/vtd/vtd_private.h"

enum { REG_GCMD = 0x18, REG_RTADDR = 0x20 };

static void apply_cap(struct vtd_config *config, uint64_t cap)
{
	config->domain_id_bits = 4 + 2 * bits(cap, 2, 0);
	if (config->domain_id_bits > 16)
		config->domain_id_bits = 16; /* ND 7 is reserved */
	config->caching_mode = bit(cap, 7);
	config->levels_3 = bit(cap, 9);
	config->levels_4 = bit(cap, 10);
	config->levels_5 = bit(cap, 11);
	config->mgaw = bits(cap, 21, 16) + 1;
	config->zero_length_read = bit(cap, 22);
	config->pages_2m = bit(cap, 34);
	config->pages_1g = bit(cap, 35);
	config->page_selective = bit(cap, 39);
	config->fault_records = bits(cap, 47, 40) + 1;
	config->mamv = bits(cap, 53, 48);
	config->first_stage_1g = bit(cap, 56);
	config->first_stage_5_levels = bit(cap, 60);
	config->esrtps = bit(cap, 63);
}

static void apply_ecap(struct vtd_config *config, uint64_t ecap)
{
	config->device_tlbs = bit(ecap, 2);
	config->pass_through = bit(ecap, 6);
	config->snoop_control = bit(ecap, 7);
	config->nested = bit(ecap, 26);
	config->execute_requests = bit(ecap, 30);
	config->supervisor_requests = bit(ecap, 31);
	config->extended_accessed = bit(ecap, 34);
	config->page_request_drain = bit(ecap, 42);
	config->scalable = bit(ecap, 43);
	config->second_stage_ad = bit(ecap, 45);
	config->second_stage = bit(ecap, 46);
	config->first_stage = bit(ecap, 47);
	config->page_walk_snoop = bit(ecap, 48);
	config->rid_pasid = bit(ecap, 49);
}

/* The settings have ranges that registers can leave (MGAW of 64 bits). */
static int check_ranges(const struct vtd_config *config, struct err *err)
{
	for (const struct setting *row = vtd_settings; row->key; row++) {
		uint64_t value;

		memcpy(&value, (const char *)config + row->offset, sizeof value);
		if (row->type == SETTING_COUNT && (value < row->min || value > row->max))
			return err_set(err, ERR_CONFIG, "%s would be %llu, expected %llu to %llu",
				       row->key, (unsigned long long)value,
				       (unsigned long long)row->min, (unsigned long long)row->max);
	}
	return 0;
}

static int vtd_configure_from(void *settings, const struct named_value *values, size_t n,
			      struct err *err)
{
	struct vtd_config *config = settings;

	for (size_t i = 0; i < n; i++) {
		const struct named_value *value = &values[i];

		if (!strcmp(value->name, "mode")) {
			/* RTADDR.TTM says it; the word is for people */
			if (strcmp(value->text, "legacy") != 0 &&
			    strcmp(value->text, "scalable") != 0)
				return err_set(err, ERR_CONFIG,
					       "mode '%.40s': expected legacy or scalable",
					       value->text);
		} else if (!value->number) {
			return err_set(err, ERR_CONFIG, "%.40s '%.40s': expected a number",
				       value->name, value->text);
		} else if (!strcmp(value->name, "haw")) {
			config->haw = value->value;
		} else if (!strcmp(value->name, "cap")) {
			apply_cap(config, value->value);
		} else if (!strcmp(value->name, "ecap")) {
			apply_ecap(config, value->value);
		} else if (strcmp(value->name, "rtaddr") != 0) {
			return err_set(err, ERR_CONFIG,
				       "'%.40s': expected one of mode, rtaddr, cap, ecap, haw",
				       value->name);
		}
	}
	return check_ranges(config, err);
}

static int vtd_start_from(struct iommu *iommu, const struct named_value *values, size_t n,
			  struct err *err)
{
	(void)err;
	for (size_t i = 0; i < n; i++)
		if (!strcmp(values[i].name, "rtaddr"))
			vtd_reg_write(iommu, 0, REG_RTADDR, values[i].value, 8);
	vtd_reg_write(iommu, 0, REG_GCMD, 1u << 30, 4); /* SRTP */
	vtd_reg_write(iommu, 0, REG_GCMD, 1u << 31, 4); /* TE */
	return 0;
}

static bool vtd_find_register(const struct iommu *iommu, const char *name, uint64_t *offset,
			      unsigned *size)
{
	static const struct {
		const char *name;
		uint64_t offset;
		unsigned size;
	} registers[] = {
		{ "VER", 0x00, 4 },	     { "GCMD", REG_GCMD, 4 },
		{ "GSTS", 0x1c, 4 },	     { "RTADDR", REG_RTADDR, 8 },
		{ "CCMD", 0x28, 8 },	     { "FSTS", 0x34, 4 },
		{ "FECTL", 0x38, 4 },	     { "IQH", 0x80, 8 },
		{ "IQT", 0x88, 8 },	     { "IQA", 0x90, 8 },
		{ "IQER", 0xb0, 8 },	     { "PQH", 0xc0, 8 },
		{ "PQT", 0xc8, 8 },	     { "PQA", 0xd0, 8 },
		{ "PRS", 0xdc, 4 },	     { "PECTL", 0xe0, 4 },
		{ "IVA", VTD_IRO, 8 },	     { "IOTLB", VTD_IRO + 8, 8 },
		{ "FRCD0_LOW", VTD_FRO, 8 }, { "FRCD0_HIGH", VTD_FRO + 8, 8 },
	};

	(void)iommu;
	for (size_t i = 0; i < sizeof registers / sizeof registers[0]; i++) {
		if (strcmp(registers[i].name, name) != 0)
			continue;
		*offset = registers[i].offset;
		*size = registers[i].size;
		return true;
	}
	return false;
}

static unsigned vtd_fault_record(const struct iommu *iommu, uint64_t words[FAULT_RECORD_WORDS])
{
	const struct vtd *vtd = (const struct vtd *)iommu;
	uint32_t records = (uint32_t)vtd->config.fault_records;
	const uint64_t *newest = vtd->frcd[(vtd->frcd_next + records - 1) % records];

	if (!newest[1])
		return 0;
	words[0] = newest[0];
	words[1] = newest[1];
	return 2;
}

const struct iommu_vectors vtd_vectors = {
	.configure_from = vtd_configure_from,
	.start_from = vtd_start_from,
	.find_register = vtd_find_register,
	.fault_record = vtd_fault_record,
	.in_queue = vtd_vector_in_queue,
	.act = vtd_vector_act,
};
