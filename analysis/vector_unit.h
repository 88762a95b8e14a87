/*
 * An IOMMU as test vectors see it: a model's instance with its memory, registers, caches and
 * requesters, driven a step at a time. A vector has one of its own; a session keeps one.
 *
 * Values given here have passed the schema's check. What the model cannot be or do is an error
 * with ERR_CONFIG or ERR_INPUT, which a vector reports as a difference.
 */
#ifndef IOMMUSIM_ANALYSIS_VECTOR_UNIT_H
#define IOMMUSIM_ANALYSIS_VECTOR_UNIT_H

#include "analysis/vector_tree.h"
#include "hw/iommu.h"

/* Frames and requesters of one unit; more are refused, so that a session's memory is bounded. */
enum { UNIT_FRAMES_MAX = 1 << 16, UNIT_DEVICES_MAX = 1 << 12, ANSWER_CHANGES_MAX = 16 };

enum unit_report {
	REPORT_USE_AFTER_UNMAP = 1 << 0,
	REPORT_MULTI_HIT = 1 << 1,
	REPORT_TABLE_UAF = 1 << 2,
	REPORT_QUEUE_OVERFLOW = 1 << 3,
};
/* "use-after-unmap" -> its bit; 0: no such report. */
unsigned unit_report_of(const char *name);

/* Everything that came of one request. */
struct unit_answer {
	struct dma_request request;
	struct dma_result result, truth;
	bool stale, stale_config; /* it used a copy that no longer equals the tables */
	bool logged;
	uint64_t record[FAULT_RECORD_WORDS];
	unsigned record_words;
	unsigned reports; /* enum unit_report */
	struct table_word changes[ANSWER_CHANGES_MAX];
	uint64_t n_changes; /* words that hardware changed; the first ones are in changes */
};

struct unit_device {
	uint32_t sid, handle;
};

struct vector_unit {
	const struct iommu_model *model;
	struct memory *memory;
	struct tables *tables;
	struct iommu *iommu;
	struct iommu_observer observer;
	struct unit_answer *answer; /* of the request under way */
	struct unit_device *devices;
	uint32_t n_devices;
	uint64_t event;
	unsigned reports; /* since the unit was made */
};

/* config and opts may be NULL. */
int unit_create(const struct iommu_model *model, const struct value *config,
		const struct value *opts, struct vector_unit **out, struct err *err);
void unit_destroy(struct vector_unit *unit); /* NULL is allowed */

/* words: address -> word. */
int unit_store(struct vector_unit *unit, const struct value *words, struct err *err);
/* After create and the first words: registers as config says, translation on. */
int unit_start(struct vector_unit *unit, const struct value *config, struct err *err);
/* name or offset of a register; size is 4 or 8. */
int unit_register(const struct vector_unit *unit, const struct value *reg, uint64_t *offset,
		  unsigned *size, struct err *err);
int unit_reg_write(struct vector_unit *unit, const struct value *reg, struct err *err);
int unit_reg_read(struct vector_unit *unit, const char *name, uint64_t *value);
/* One command, or a list of them, executed in order; *report adds up what they removed. -1 with
 * ERR_INPUT: the hardware refuses it. */
int unit_command(struct vector_unit *unit, const struct value *cmd, struct inval_report *report,
		 struct err *err);
/* watch: find the words that hardware changed, at the cost of two passes over all memory. */
int unit_request(struct vector_unit *unit, const struct value *request, bool watch,
		 struct unit_answer *answer, struct err *err);

#endif
