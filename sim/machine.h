/*
 * A machine description: which IOMMU, how it is built, which driver, how time passes. Read from
 * YAML and --set; every key is a row of a settings table.
 */
#ifndef IOMMUSIM_SIM_MACHINE_H
#define IOMMUSIM_SIM_MACHINE_H

#include "hw/iommu.h"
#include "sim/overrides.h"

enum policy { POLICY_RECORDED, POLICY_LINUX_STRICT, POLICY_LINUX_LAZY };
enum inval_from { INVAL_FROM_AUTO, INVAL_FROM_RECORDING, INVAL_FROM_POLICY };
enum config_inval { CONFIG_INVAL_COMPLETE, CONFIG_INVAL_RECORDED };
enum superpage_replace {
	SUPERPAGE_FLUSH,
	SUPERPAGE_FREE_NOFLUSH,
	SUPERPAGE_FLUSH_THEN_FREE,
	SUPERPAGE_LEAK
};
enum fault_handler { HANDLER_LINUX, HANDLER_RECORDED };
enum page_requests { PAGES_OF_DMA, PAGES_RECORDED };
enum page_responses { RESPONSES_RECORDED, RESPONSES_OF_HANDLER };
enum page_action { PAGE_ACTION_MAP, PAGE_ACTION_NONE };
enum gather_end { GATHER_INCLUSIVE, GATHER_EXCLUSIVE };
enum psi_align { PSI_FOLDED, PSI_PAGE_COUNT };
enum free_tables { FREE_AFTER, FREE_BEFORE };
enum keep_empty_tables { KEEP_EMPTY_YES, KEEP_EMPTY_WIDENED, KEEP_EMPTY_NO };
enum superpage_span { SPAN_EXACT, SPAN_OVERRUN };
enum dirty_flush { DIRTY_FLUSH_AFTER, DIRTY_FLUSH_NONE };
enum write_back { WRITE_BACK_YES, WRITE_BACK_NO, WRITE_BACK_NOT_SPLITS };

/* Every field is a setting; rows in sim/run_settings.c. Times in ns. */
struct run_config {
	uint64_t policy, inval_from, config_inval, seed;
	uint64_t inval_latency, flight, gap_limit, flush_limit;
	uint64_t handler, irq_latency, handler_service;
	uint64_t table_words, adopt, uncertainty, update_limit, write_back, dirty_flush;
	/* page requests, and what holds DMA back: drivers 11.3, 11.4 */
	uint64_t page_requests, page_responses, pri_handler, page_action, page_service;
	uint64_t retry_delay, retries, discard_on_overflow;
	uint64_t stall_answers, stall_limit, starve_limit;
	uint64_t ats_timeout;
	/* linux-lazy: drivers 3.4 */
	uint64_t fq_entries, fq_timeout, fq_single, cpus, fq_counter_check, fq_barrier, jiffy;
	/* gathers and intel-classic: drivers 3.5, 4.1, 4.2 */
	uint64_t gather_end, gather_consumer, superpage_replace, superpage_span, psi_align;
	uint64_t ih_when_tables_freed, free_tables, keep_empty_tables, cm_flush_on_map,
		force_strict_if_cm;
};

/* What a device brings along. Every field is a setting; rows in sim/device_settings.c. */
struct device_config {
	struct device_tlb tlb;
	uint64_t ats_latency, ats_gone;
	uint64_t pri_credits, max_outstanding;
};

struct machine {
	const struct iommu_model *model;
	struct run_config run;
	struct device_config device;	    /* of all devices but for overrides */
	struct setting_overrides overrides; /* "devices.PATTERN.KEY" */
	void *model_config;		    /* model->config_size bytes */
};

extern const struct setting run_settings[]; /* ends with a row whose key is NULL */
extern const struct setting device_settings[];

/* Says that there is no model of this name, and which name is near; -1. */
int machine_unknown_model(const char *model, struct err *err);
/* Defaults for a model by name ("vtd"). */
int machine_create(const char *model, struct machine **out, struct err *err);
void machine_destroy(struct machine *machine);
/* From YAML (path) and then from "key=value" texts. `iommu: NAME` in the file picks the model. */
int machine_load(const char *path, const char *const *sets, size_t n_sets, struct machine **out,
		 struct err *err);
/* What holds for the device with this requester id. */
struct device_config machine_device(const struct machine *machine, uint32_t requester_id);
void machine_print(struct machine *machine, FILE *out); /* --print-config */
char *machine_canonical(struct machine *machine);	/* "key=value\n"; caller frees */

#endif
