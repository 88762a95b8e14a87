#include "sim/machine.h"

#define AT(field) offsetof(struct device_config, field)

/* clang-format off */
const struct setting device_settings[] = {
	{ "atc.sets", SETTING_COUNT, AT(tlb.sets), 0, 4194304, 8, "sets",
	  "sets of the device TLB (ATC) of a device with ats=yes; 0: it has none", "64 to 1024 entries: device specific" },
	{ "atc.ways", SETTING_COUNT, AT(tlb.ways), 1, 4096, 8, "ways", "ways of the device TLB",
	  "project default, no source" },
	{ "atc.replacement", SETTING_CHOICE, AT(tlb.replacement), 0, 3, TLB_LRU, "lru|fifo|random|reset",
	  "replacement in the device TLB", "project default, no source" },
	{ "atc.dma", SETTING_BOOL, AT(tlb.dma), 0, 1, 1, NULL,
	  "a DMA without ats= of a device with a device TLB goes through it; no: untranslated, as an emulator's devices send it",
	  "PCIe ATS: what a function with ATS enabled does" },
	{ "ats.latency", SETTING_NS, AT(ats_latency), 0, UINT64_MAX, 0, NULL,
	  "from an invalidation at a device TLB to the device's answer; from ats.timeout on it is given up", "project default: at once" },
	{ "ats.gone", SETTING_BOOL, AT(ats_gone), 0, 1, 0, NULL,
	  "the device never answers an invalidation of its device TLB", "project default: no" },
	{ "pri.credits", SETTING_COUNT, AT(pri_credits), 1, 1 << 16, 32, "page requests",
	  "page requests that a device may have outstanding", "Linux intel: 32" },
	{ "pri.max_outstanding", SETTING_COUNT, AT(max_outstanding), 1, 1 << 16, 64, "DMAs",
	  "DMAs of a device that may wait for pages; the next of its DMAs wait behind them", "project default, no source" },
	{ 0 },
};
/* clang-format on */
