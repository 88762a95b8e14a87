/* What invalidation descriptors do: specification 6.5.2; what each form removes: sheet 4.3. */
#include "hw/vtd/vtd_private.h"

struct removal {
	struct vtd *vtd;
	struct inval_report *report;
	bool pointers;
	bool strict;   /* leave superpages larger than the range */
	bool of_pairs; /* only copies tagged by this domain id and any PASID */
	uint16_t did;
	iova_t first, last;
};

static bool tagged_by_pair(const struct removal *removal, uint64_t tag)
{
	return tag >= vtd_domain_ids(removal->vtd) && removal->vtd->tags[tag].did == removal->did;
}

static bool remove_copy(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	struct removal *removal = ctx;
	bool larger = low_mask(at->copy->page_lg2) > removal->last - removal->first;
	bool check = *at->data & TLB_CHECK;

	if (removal->of_pairs && !tagged_by_pair(removal, tlb_tag_of(tlb, at)))
		return false;
	if (larger && !removal->pointers) {
		removal->vtd->count.undersized++;
		if (removal->strict)
			return false;
	}
	removal->report->stale += check;
	if (removal->pointers) {
		removal->report->pointers++;
	} else {
		removal->report->removed++;
		removal->report->agreed += !check;
	}
	vtd_copy_closes(removal->vtd, tlb, at);
	return true;
}

static __attribute__((noinline)) void
remove_pointers(struct tlb *const *pointers, const struct tlb_scope *scope, struct removal *removal)
{
	removal->pointers = true;
	for (unsigned level = 0; level < VTD_LEVELS_MAX; level++)
		if (pointers[level])
			tlb_visit(pointers[level], scope, remove_copy, removal);
	removal->pointers = false;
}

static inline void begin_removal(struct removal *removal, struct vtd *vtd,
				 const struct tlb_scope *scope, struct inval_report *report)
{
	*removal = (struct removal){ .vtd = vtd,
				     .report = report,
				     .strict = vtd->config.superpage_flush == SUPERPAGE_STRICT,
				     .first = scope->first,
				     .last = scope->last };
}

static void remove_scope(struct vtd *vtd, struct tlb *const *walk, const struct tlb_scope *scope,
			 bool translations, bool pointers, struct inval_report *report)
{
	struct removal removal;

	begin_removal(&removal, vtd, scope, report);
	if (translations)
		tlb_visit(vtd->iotlb, scope, remove_copy, &removal);
	if (pointers)
		remove_pointers(walk, scope, &removal);
}

/* Type 2 on first-stage and two-stage copies: all of the domain go, whatever the range (4.3);
 * pointers may stay with the hint. */
static __attribute__((noinline)) void remove_pairs(struct vtd *vtd, uint16_t did, bool pointers,
						   struct inval_report *report)
{
	struct tlb_scope scope = { .any_tag = true, .last = UINT64_MAX };
	struct removal removal;

	begin_removal(&removal, vtd, &scope, report);
	removal.of_pairs = true;
	removal.did = did;
	tlb_visit(vtd->iotlb, &scope, remove_copy, &removal);
	if (pointers)
		remove_pointers(vtd->first_walk, &scope, &removal);
	for (uint32_t tag = vtd->tags[did].next; tag && pointers; tag = vtd->tags[tag].next)
		vtd_tag_flushed(vtd, tag, false);
}

/*
 * Type 2 as most are, in which vtd_descriptor_error() would find nothing wrong: one page, with the hint that
 * pointers may stay, of a domain id without pairs, while the IOTLB has only pages of that size.
 */
static inline bool names_one_page(const struct vtd *vtd, const struct native_command *command)
{
	uint64_t low = command->words[0], high = command->words[1];

	return (low & (QI_IOTLB_RESERVED_LOW | QI_TYPE | QI_GRANULARITY)) ==
		       (QI_IOTLB | GRANULARITY_SELECTIVE << 4) &&
	       (high & 0xfff) == 1u << QI_IH_BIT && !(command->words[2] | command->words[3]) &&
	       vtd->removes_pages && vtd->iotlb->only_lg2 == 12 &&
	       !vtd->tags[vtd_domain_id(vtd, low >> 16)].next;
}

/* What invalidate_iotlb() comes to for such a descriptor. */
static inline void remove_page(struct vtd *vtd, const struct native_command *command,
			       struct inval_report *report)
{
	struct tlb_place place =
		vtd_page_place(vtd, vtd_domain_id(vtd, command->words[0] >> 16), command->words[1]);
	struct tlb_way *way = tlb_peek(vtd->iotlb, &place);
	uint64_t name;
	bool check, told;

	if (!way) {
		*report = (struct inval_report){ 0 };
		return;
	}
	check = way->data & TLB_CHECK;
	told = check && (way->copy.reasons & ~CHECK_OVERLAP);
	name = copy_name(STRUCTURE_TLB, 0, way->copy.serial);
	*report = (struct inval_report){ .removed = 1, .agreed = !check, .stale = check };
	tlb_remove(vtd->iotlb, place.head, way, 12);
	if (told)
		vtd->observer->copy_closes(vtd->observer->self, name);
}

/* Type 2, by its two words. */
static __attribute__((noinline)) void invalidate_iotlb(struct vtd *vtd, uint64_t low, uint64_t high,
						       struct inval_report *report)
{
	bool all = bits(low, 5, 4) == GRANULARITY_GLOBAL;
	bool range = bits(low, 5, 4) == GRANULARITY_SELECTIVE;
	bool hint = range && bit(high, QI_IH_BIT) && vtd->config.ih_effective;
	uint32_t did = vtd_domain_id(vtd, low >> 16);
	uint64_t block = low_mask(12 + (unsigned)bits(high, 5, 0));
	struct tlb_scope scope = { .any_tag = all, .tag = did, .last = UINT64_MAX };

	if (range) {
		scope.first = bits_at(high, 63, 12) & ~block;
		scope.last = scope.first + block;
	}
	if (!range || vtd->config.ih0_scope == IH0_RANGE) {
		remove_scope(vtd, vtd->walk, &scope, true, !hint, report);
	} else {
		remove_scope(vtd, vtd->walk, &scope, true, false, report);
		scope.first = 0;
		scope.last = UINT64_MAX;
		if (!hint)
			remove_scope(vtd, vtd->walk, &scope, false, true, report);
	}
	if (all)
		remove_scope(vtd, vtd->first_walk, &scope, false, true, report);
	else if (vtd->tags[did].next)
		remove_pairs(vtd, (uint16_t)did, !hint, report);
	if (!range)
		vtd_tag_flushed(vtd, did, all);
}

/* Type 6: first-stage and two-stage copies of one PASID of a domain. */
static __attribute__((noinline)) void invalidate_pasid_iotlb(struct vtd *vtd,
							     const struct native_command *command,
							     struct inval_report *report)
{
	struct tlb_scope scope = { .last = UINT64_MAX };
	struct invalidation what;
	uint64_t mask;
	uint32_t tag;

	vtd_decode(&vtd->iommu, command, &what);
	if (!vtd_tag_of_pair(vtd, vtd_domain_id(vtd, what.tag), what.pasid, &tag))
		return; /* never met */
	scope.tag = tag;
	if (what.what == INVAL_RANGE) {
		mask = low_mask(vtd->tags[tag].input_bits);
		scope.first = what.first & mask;
		scope.last =
			what.last - what.first > mask ? mask : scope.first + what.last - what.first;
	}
	remove_scope(vtd, vtd->first_walk, &scope, true, !(what.leaf && vtd->config.ih_effective),
		     report);
	if (what.what != INVAL_RANGE)
		vtd_tag_flushed(vtd, tag, false);
}

/* Context entries of scalable mode have no domain id; domain-selective removes them all. */
static __attribute__((noinline)) void invalidate_context(struct vtd *vtd, uint64_t low,
							 struct inval_report *report)
{
	static const uint16_t function_masks[] = { 0, 4, 6, 7 };
	uint16_t care = (uint16_t)~function_masks[bits(low, 49, 48)];
	uint64_t granularity = bits(low, 5, 4);

	for (uint64_t i = 0; i < vtd->contexts.n; i++) {
		struct vtd_context *context = &vtd->contexts.slots[i];
		bool domain = context->scalable || context->did == bits(low, 31, 16);
		bool device = !((context->sid ^ bits(low, 47, 32)) & care);

		if (!context->valid || (granularity == GRANULARITY_DOMAIN && !domain) ||
		    (granularity == GRANULARITY_SELECTIVE && !device))
			continue;
		vtd_config_drop(vtd, context);
		report->configs++;
	}
}

/* Type 7. A directory entry is cached as a part of what was read through it. */
static __attribute__((noinline)) void invalidate_pasid_cache(struct vtd *vtd, uint64_t low,
							     struct inval_report *report)
{
	enum { ALL_OF_DOMAIN, ONE_PASID, EVERYTHING = 3 };
	uint64_t granularity = bits(low, 5, 4);

	for (uint64_t i = 0; i < vtd->pasids.n; i++) {
		struct vtd_context *context = &vtd->pasids.slots[i];

		if (!context->valid ||
		    (granularity != EVERYTHING && context->did != bits(low, 31, 16)) ||
		    (granularity == ONE_PASID && context->pasid != vtd_descriptor_pasid(low)))
			continue;
		vtd_config_drop(vtd, context);
		report->configs++;
	}
}

void vtd_drop_configs(struct vtd *vtd)
{
	struct inval_report report = { 0 };

	invalidate_context(vtd, GRANULARITY_GLOBAL << 4, &report);
	invalidate_pasid_cache(vtd, GRANULARITY_SELECTIVE << 4, &report);
}

void vtd_flush_all(struct vtd *vtd)
{
	struct inval_report report = { 0 };

	vtd_drop_configs(vtd);
	invalidate_iotlb(vtd, GRANULARITY_GLOBAL << 4, 0, &report);
}

/* SW: 32-bit status data to the status address. */
static __attribute__((noinline)) void write_status(struct vtd *vtd, uint64_t low, uint64_t high)
{
	pa_t word = bits_at(high, 63, 3);
	uint64_t value;

	if (!bit(low, 5) || !memory_read(vtd->memory, word, &value))
		return;
	if (bit(high, 2))
		value = (value & low_mask(32)) | bits_at(low, 63, 32);
	else
		value = (value & ~low_mask(32)) | bits(low, 63, 32);
	tables_store(vtd->tables, word, 1, value, 0, NULL);
}

static __attribute__((noinline)) void
carry_out(struct vtd *vtd, const struct native_command *command, struct inval_report *report)
{
	uint64_t low = command->words[0];

	switch (bits(low, 3, 0)) {
	case QI_CONTEXT:
		invalidate_context(vtd, low, report);
		break;
	case QI_IOTLB:
		invalidate_iotlb(vtd, low, command->words[1], report);
		break;
	case QI_PASID_IOTLB:
		invalidate_pasid_iotlb(vtd, command, report);
		break;
	case QI_PASID_CACHE:
		invalidate_pasid_cache(vtd, low, report);
		break;
	case QI_DEVICE_TLB:
	case QI_PASID_DEVICE_TLB:
		vtd_ats_invalidate(vtd, command, report);
		break;
	case QI_PAGE_RESPONSE:
		vtd->count.page_responses++; /* the message is the device's business */
		break;
	case QI_WAIT:
		write_status(vtd, low, command->words[1]);
		break;
	default:
		break; /* interrupt entries: see omits */
	}
}

static __attribute__((noinline, cold)) int
refuse(struct vtd *vtd, const struct native_command *command, const char *wrong, struct err *err)
{
	vtd_fault_condition(vtd, FSTS_IQE);
	return err_set(err, ERR_INPUT, "invalidation descriptor 0x%llx 0x%llx: %s (IQE)",
		       (unsigned long long)command->words[0], (unsigned long long)command->words[1],
		       wrong);
}

static __attribute__((noinline)) int execute_any(struct vtd *vtd,
						 const struct native_command *command,
						 struct inval_report *report, struct err *err)
{
	const char *wrong = vtd_descriptor_error(vtd, command);

	*report = (struct inval_report){ 0 };
	if (wrong)
		return refuse(vtd, command, wrong, err);
	vtd->count.invalidations++;
	carry_out(vtd, command, report);
	return 0;
}

int vtd_execute(struct iommu *iommu, uint64_t event, const struct native_command *command,
		struct inval_report *report, struct err *err)
{
	struct vtd *vtd = vtd_of(iommu);

	vtd->iommu.event = event;
	if (!names_one_page(vtd, command))
		return execute_any(vtd, command, report, err);
	vtd->count.invalidations++;
	remove_page(vtd, command, report);
	return 0;
}
