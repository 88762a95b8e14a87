/* Invalidation descriptors: specification 6.5.2; what each form removes: sheet 4.3. */
#include "hw/vtd/vtd_private.h"

#include <string.h>

enum descriptor_type { QI_CONTEXT = 1, QI_IOTLB, QI_DEVICE_TLB, QI_INTERRUPT, QI_WAIT };
enum granularity { GRANULARITY_GLOBAL = 1, GRANULARITY_DOMAIN, GRANULARITY_SELECTIVE };
enum { QI_DW_BIT = 6, QI_DR_BIT = 7, QI_IH_BIT = 6 };
enum { IQEI_TYPE = 3, IQEI_RESERVED = 4 };

void vtd_encode(const struct iommu *iommu, const struct invalidation *what,
		struct native_command *command)
{
	const struct vtd *vtd = (const struct vtd *)iommu;
	uint64_t drain = what->drain ? 1u << QI_DW_BIT | 1u << QI_DR_BIT : 0;
	uint64_t low = QI_IOTLB | drain, high = 0;
	unsigned mask = 0;

	switch (what->what) {
	case INVAL_ALL:
		low |= GRANULARITY_GLOBAL << 4;
		break;
	case INVAL_RANGE:
		/* One aligned block that covers start and end; the domain where it is too large. */
		while (mask < 52 && (what->first >> 12 >> mask) != (what->last >> 12 >> mask))
			mask++;
		if (vtd->config.page_selective && mask <= vtd->config.mamv) {
			low |= GRANULARITY_SELECTIVE << 4 | what->tag << 16;
			high = (what->first & ~low_mask(12 + mask)) |
			       (uint64_t)what->leaf << QI_IH_BIT | mask;
			break;
		}
		/* fall through */
	case INVAL_DOMAIN:
		low |= GRANULARITY_DOMAIN << 4 | what->tag << 16;
		break;
	case INVAL_DEVICE_CONFIG:
		low = QI_CONTEXT | GRANULARITY_SELECTIVE << 4 | what->tag << 16 |
		      (uint64_t)vtd->devices[what->device].sid << 32;
		break;
	case INVAL_DEVICE_ATC:
		low = QI_DEVICE_TLB | (uint64_t)vtd->devices[what->device].sid << 32;
		while (mask < 52 && (what->first >> 12 >> mask) != (what->last >> 12 >> mask))
			mask++;
		high = what->first & ~low_mask(12 + mask);
		if (mask) /* S: the low address bits are ones, ended by the first zero, up to the size */
			high |= (low_mask(mask - 1) << 12) | 1;
		break;
	}
	*command = (struct native_command){ .words = { low, high } };
}

/* 6.5.2.5: which device, and an address that says its size when S is set. */
static bool decode_device_tlb(const struct vtd *vtd, const struct native_command *command,
			      struct invalidation *what)
{
	uint64_t sid = bits(command->words[0], 47, 32), high = command->words[1];
	unsigned ones = bit(high, 0) ? (unsigned)__builtin_ctzll(~(high >> 12)) + 1 : 0;

	what->what = INVAL_DEVICE_ATC;
	what->pasid = NO_PASID;
	what->first = bits_at(high, 63, 12) & ~low_mask(12 + ones);
	what->last = what->first | low_mask(12 + ones);
	for (what->device = 0; what->device < vtd->n_devices; what->device++)
		if (vtd->devices[what->device].sid == sid)
			return true;
	return false;
}

bool vtd_decode(const struct iommu *iommu, const struct native_command *command,
		struct invalidation *what)
{
	uint64_t low = command->words[0], high = command->words[1];
	unsigned mask = (unsigned)bits(high, 5, 0);

	memset(what, 0, sizeof *what);
	if (bits(low, 3, 0) == QI_DEVICE_TLB)
		return decode_device_tlb((const struct vtd *)iommu, command, what);
	if (bits(low, 3, 0) != QI_IOTLB)
		return false;
	what->tag = bits(low, 31, 16);
	what->pasid = NO_PASID;
	what->last = UINT64_MAX;
	what->drain = bit(low, QI_DR_BIT) && bit(low, QI_DW_BIT);
	switch (bits(low, 5, 4)) {
	case GRANULARITY_GLOBAL:
		what->what = INVAL_ALL;
		return true;
	case GRANULARITY_DOMAIN:
		what->what = INVAL_DOMAIN;
		return true;
	case GRANULARITY_SELECTIVE:
		what->what = INVAL_RANGE;
		what->leaf = bit(high, QI_IH_BIT);
		what->first = bits_at(high, 63, 12) & ~low_mask(12 + mask);
		what->last = what->first + low_mask(12 + mask);
		return true;
	default:
		return false;
	}
}

struct removal {
	struct vtd *vtd;
	struct inval_report *report;
	bool pointers;
	bool strict; /* leave superpages larger than the range */
	iova_t first, last;
};

static bool remove_copy(void *ctx, struct tlb *tlb, const struct tlb_at *at)
{
	struct removal *removal = ctx;
	bool larger = low_mask(at->copy->page_lg2) > removal->last - removal->first;

	if (larger && !removal->pointers) {
		removal->vtd->count.undersized++;
		if (removal->strict)
			return false;
	}
	removal->report->stale += (*at->data & TLB_CHECK) != 0;
	if (removal->pointers) {
		removal->report->pointers++;
	} else {
		removal->report->removed++;
		removal->report->agreed += !(*at->data & TLB_CHECK);
	}
	vtd_copy_closes(removal->vtd, tlb, at);
	return true;
}

static void remove_scope(struct vtd *vtd, const struct tlb_scope *scope, bool translations,
			 bool pointers, struct inval_report *report)
{
	struct removal removal = { .vtd = vtd,
				   .report = report,
				   .strict = vtd->config.superpage_flush == SUPERPAGE_STRICT,
				   .first = scope->first,
				   .last = scope->last };

	if (translations)
		tlb_visit(vtd->iotlb, scope, remove_copy, &removal);
	removal.pointers = true;
	for (unsigned level = 0; pointers && level < VTD_LEVELS_MAX; level++)
		if (vtd->walk[level])
			tlb_visit(vtd->walk[level], scope, remove_copy, &removal);
}

static void invalidate_iotlb(struct vtd *vtd, const struct invalidation *what,
			     struct inval_report *report)
{
	struct tlb_scope scope = { .any_tag = what->what == INVAL_ALL,
				   .tag = what->tag,
				   .first = what->first,
				   .last = what->last };
	bool hint = what->leaf && vtd->config.ih_effective;

	if (what->what != INVAL_RANGE || vtd->config.ih0_scope == IH0_RANGE) {
		remove_scope(vtd, &scope, true, !hint, report);
	} else {
		remove_scope(vtd, &scope, true, false, report);
		scope.first = 0;
		scope.last = UINT64_MAX;
		remove_scope(vtd, &scope, false, !hint, report);
	}
	if (what->what != INVAL_RANGE)
		vtd_tag_flushed(vtd, (uint32_t)what->tag, what->what == INVAL_ALL);
}

static void invalidate_context(struct vtd *vtd, uint64_t low, struct inval_report *report)
{
	static const uint16_t function_masks[] = { 0, 4, 6, 7 };
	uint16_t care = (uint16_t)~function_masks[bits(low, 49, 48)];
	uint64_t granularity = bits(low, 5, 4);

	for (uint64_t i = 0; i < vtd->config.context_entries; i++) {
		struct vtd_context *context = &vtd->contexts[i];
		bool domain = context->did == bits(low, 31, 16);
		bool device = !((context->sid ^ bits(low, 47, 32)) & care);

		if (!context->valid || (granularity == GRANULARITY_DOMAIN && !domain) ||
		    (granularity == GRANULARITY_SELECTIVE && !device))
			continue;
		vtd_context_drop(vtd, context);
		report->configs++;
	}
}

void vtd_flush_all(struct vtd *vtd)
{
	struct inval_report report = { 0 };

	invalidate_context(vtd, GRANULARITY_GLOBAL << 4, &report);
	invalidate_iotlb(vtd, &(struct invalidation){ .what = INVAL_ALL, .last = UINT64_MAX },
			 &report);
}

/* Reserved bits and limits of a descriptor; NULL: fine, else what is wrong. */
static const char *descriptor_error(const struct vtd *vtd, uint64_t low, uint64_t high)
{
	static const uint64_t reserved[][2] = {
		[QI_CONTEXT] = { 0xfffc00000000f1c0, UINT64_MAX },
		[QI_IOTLB] = { 0xffffffff0000f100, 0xf80 },
		[QI_DEVICE_TLB] = { 0xffff0000ffe0f1f0 & ~0xfff0000000000000, 0xffe },
		[QI_INTERRUPT] = { 0xffff000007fff1e0, UINT64_MAX },
		[QI_WAIT] = { 0, 0x3 },
	};
	uint64_t type = bits(low, 3, 0) | bits(low, 11, 9) << 4;

	if (type < QI_CONTEXT || type > QI_WAIT)
		return "a descriptor type that legacy mode does not have";
	if ((low & reserved[type][0]) || (high & reserved[type][1]))
		return "reserved bits set in the descriptor";
	if ((type == QI_CONTEXT || type == QI_IOTLB) && bits(low, 5, 4) == 0)
		return "granularity 0";
	if (type == QI_IOTLB && bits(low, 5, 4) == GRANULARITY_SELECTIVE) {
		if (!vtd->config.page_selective)
			return "a page-selective invalidation without CAP.PSI";
		if (bits(high, 5, 0) > vtd->config.mamv)
			return "an address mask above CAP.MAMV";
	}
	return NULL;
}

/* SW: 32-bit status data to the status address. */
static void write_status(struct vtd *vtd, uint64_t low, uint64_t high)
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

int vtd_execute(struct iommu *iommu, uint64_t event, const struct native_command *command,
		struct inval_report *report, struct err *err)
{
	struct vtd *vtd = vtd_of(iommu);
	uint64_t low = command->words[0], high = command->words[1];
	const char *wrong = descriptor_error(vtd, low, high);
	struct invalidation what;

	*report = (struct inval_report){ 0 };
	vtd->iommu.event = event;
	if (wrong) {
		vtd_fault_condition(vtd, FSTS_IQE);
		return err_set(err, ERR_INPUT, "invalidation descriptor 0x%llx 0x%llx: %s (IQE)",
			       (unsigned long long)low, (unsigned long long)high, wrong);
	}
	vtd->count.invalidations++;
	switch (bits(low, 3, 0)) {
	case QI_CONTEXT:
		invalidate_context(vtd, low, report);
		break;
	case QI_IOTLB:
		vtd_decode(iommu, command, &what);
		invalidate_iotlb(vtd, &what, report);
		break;
	case QI_WAIT:
		write_status(vtd, low, high);
		break;
	default:
		break; /* device TLBs and interrupt entries are not modelled */
	}
	return 0;
}
