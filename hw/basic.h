/*
 * What a new model begins with: one that has tables, and no caches, registers, queues or counters yet.
 *
 * It is a const struct iommu_model of IOMMU_BASIC and of what is its own: `truth`, the translation of one
 * request, by which every request is served; `attach_words`; its faults; a struct basic_numbers. It has no
 * `create`: iommu_create() makes it a struct basic. Faults are told and not recorded. When it gets caches or
 * queues, the other parts of IOMMU_BASIC stay and its own functions take the place of that one.
 */
#ifndef IOMMUSIM_HW_BASIC_H
#define IOMMUSIM_HW_BASIC_H

#include "hw/iommu.h"

/* What is the same for every instance. */
struct basic_numbers {
	const struct pt_format *format; /* of the tables that the driver writes */
	unsigned levels, address_bits, pa_bits;
	unsigned largest_leaf; /* level of the largest page */
	uint64_t tags;
	enum domain_tag tag_kind;
	const struct table_role *role; /* of the device table, which lies where start() is told */
	unsigned role_level;
	uint64_t config_bytes; /* of tables of configuration from there on */
};

struct basic {
	struct iommu iommu;
	struct tables *tables;
	struct memory *memory;
	const struct iommu_observer *observer;
	pa_t root;
	uint32_t *requesters; /* by handle */
	uint32_t n_requesters;
	_Alignas(16) unsigned char config[]; /* as the settings describe it */
};

static inline struct basic *basic_of(struct iommu *iommu)
{
	return (struct basic *)iommu;
}

int basic_create(const struct iommu_model *model, const void *config, struct tables *tables,
		 const struct iommu_observer *observer, struct iommu **out, struct err *err);
void basic_destroy(struct iommu *iommu);
int basic_add_device(struct iommu *iommu, uint32_t requester_id, const struct device_tlb *tlb,
		     uint32_t *handle, struct err *err);
int basic_start(struct iommu *iommu, pa_t root);
size_t basic_translate(struct iommu *iommu, uint64_t first_event,
		       const struct dma_request *requests, struct dma_result *results, size_t n);
bool basic_snoops(const struct iommu *iommu);
const char *basic_structure_name(enum structure structure, unsigned level);
const struct pt_format *basic_format(const struct iommu *iommu);
unsigned basic_levels(const struct iommu *iommu);
unsigned basic_address_bits(const struct iommu *iommu, unsigned levels);
unsigned basic_pa_bits(const struct iommu *iommu);
bool basic_page_supported(const struct iommu *iommu, unsigned level);
uint64_t basic_tags(const struct iommu *iommu);
enum domain_tag basic_tag_kind(const struct iommu *iommu);
uint64_t basic_config_bytes(const struct iommu *iommu);

/* What a request gets from a walk; false: not present, or without the right. */
bool basic_granted(const struct dma_request *request, const struct pt_walk *walk,
		   struct dma_result *result);
void basic_refuse(uint16_t fault, struct dma_result *result);
extern const struct setting basic_no_settings[];

/* clang-format off */
#define IOMMU_BASIC_LIFE \
	.destroy = basic_destroy, .add_device = basic_add_device, .start = basic_start, \
	.translate = basic_translate, .snoops = basic_snoops, .settings = basic_no_settings
#define IOMMU_BASIC_NUMBERS \
	.format = basic_format, .levels = basic_levels, .address_bits = basic_address_bits, \
	.pa_bits = basic_pa_bits, .page_supported = basic_page_supported, .tags = basic_tags, \
	.tag_kind = basic_tag_kind, .config_bytes = basic_config_bytes
#define IOMMU_WITHOUT_CACHES \
	.tables_changed = iommu_no_marks, .encode = iommu_no_encode, .decode = iommu_no_decode, \
	.execute = iommu_no_execute, .each_copy = iommu_no_copies, .structure_name = basic_structure_name, \
	.counter = iommu_no_counter
#define IOMMU_WITHOUT_QUEUES \
	.reg_write = iommu_no_reg_write, .reg_read = iommu_no_reg_read, \
	.acknowledge_faults = iommu_no_fault_queue
/* A first version. */
#define IOMMU_BASIC IOMMU_BASIC_LIFE, IOMMU_BASIC_NUMBERS, IOMMU_WITHOUT_CACHES, IOMMU_WITHOUT_QUEUES
/* clang-format on */

#endif
