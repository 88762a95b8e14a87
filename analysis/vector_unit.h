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
/* The last so many reports, names of stall tags and device-TLB entries are remembered. */
enum { UNIT_REPORTS_MAX = 64, UNIT_STAGS_MAX = 16, UNIT_ATC_MAX = 256, STAG_NAME_MAX = 32 };

enum unit_report_kind {
	REPORT_USE_AFTER_UNMAP = 1 << 0,
	REPORT_MULTI_HIT = 1 << 1,
	REPORT_TABLE_UAF = 1 << 2,
	REPORT_QUEUE_OVERFLOW = 1 << 3,
};
/* "use-after-unmap" -> its bit; 0: no such report. */
unsigned unit_report_of(const char *name);

/* What a detector would say; NO_PA: not of that report. */
struct unit_report {
	unsigned kind; /* enum unit_report_kind */
	iova_t iova;
	pa_t pa, table; /* table: the word read from a freed page */
};

/* Everything that came of one request. */
struct unit_answer {
	struct dma_request request;
	struct dma_result result, truth;
	bool stale, stale_config; /* it used a copy that no longer equals the tables */
	bool told, logged, lost;  /* of its fault: not silent; recorded; no room for the record */
	uint64_t record[FAULT_RECORD_WORDS];
	unsigned record_words;
	unsigned reports; /* enum unit_report_kind */
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
	struct unit_answer *answer;   /* of the request under way */
	struct device_tlb device_tlb; /* of every requester */
	struct unit_device *devices;
	uint32_t n_devices;
	uint64_t event;
	/* since the unit was made */
	struct unit_report reports[UNIT_REPORTS_MAX];
	uint64_t n_reports, lost; /* lost: records that a full queue lost */
	struct unit_stag {
		char name[STAG_NAME_MAX];
		uint64_t value;
	} stags[UNIT_STAGS_MAX];
	uint64_t n_stags;
	iova_t atc[UNIT_ATC_MAX]; /* pages that endpoints were given */
	uint64_t n_atc;
	char acted[VECTOR_ANSWER_MAX]; /* what came of the last action */
	struct native_command encoded; /* by the last `encode` */
};

/* config and opts may be NULL. */
int unit_create(const struct iommu_model *model, const struct value *config,
		const struct value *opts, struct vector_unit **out, struct err *err);
void unit_destroy(struct vector_unit *unit); /* NULL is allowed */

/* words: address -> word. */
int unit_store(struct vector_unit *unit, const struct value *words, struct err *err);
/* List of addr, size, kind: accesses that fail from now on. NULL is allowed. */
int unit_memory_errors(struct vector_unit *unit, const struct value *list, struct err *err);
/* After create and the first words: registers as config says, translation on. */
int unit_start(struct vector_unit *unit, const struct value *config, struct err *err);
/* name or offset of a register; size is 4 or 8. */
int unit_register(const struct vector_unit *unit, const struct value *reg, uint64_t *offset,
		  unsigned *size, struct err *err);
int unit_reg_write(struct vector_unit *unit, const struct value *reg, struct err *err);
int unit_reg_read(struct vector_unit *unit, const char *name, uint64_t *value);
int unit_store_word(struct vector_unit *unit, pa_t pa, uint64_t value, struct err *err);
/* The handle of a requester, added when it is new. */
int unit_device(struct vector_unit *unit, uint32_t sid, uint32_t *handle, struct err *err);

/* vector_act.c */

/* One command, or a list of them, executed in order; *report adds up what they removed. -1 with
 * ERR_INPUT: the hardware refuses it. */
int unit_command(struct vector_unit *unit, const struct value *cmd, const char *stag,
		 struct inval_report *report, struct err *err);
/* The commands are written to the queue in memory, and its tail register; hardware does the rest. */
int unit_queue_commands(struct vector_unit *unit, const struct value *cmd, uint64_t tail,
			struct err *err);
/* {index, cmd}: a command in the queue is overwritten. */
int unit_fix_command(struct vector_unit *unit, const struct value *fix, struct err *err);
/* The words of a command named in words, into unit->encoded. */
int unit_encode(struct vector_unit *unit, const char *text, struct err *err);
/* An action of the model's own, or a list of them; unit->acted is what came of the last. */
int unit_act(struct vector_unit *unit, const struct value *action, struct err *err);

/* vector_report.c */

void unit_note_report(struct vector_unit *unit, unsigned kind, const struct unit_report *report);
void unit_note_atc(struct vector_unit *unit, iova_t iova);
bool unit_atc_noted(const struct vector_unit *unit, iova_t iova);
/* Names a stall tag; an older one of that name is forgotten. */
void unit_note_stag(struct vector_unit *unit, const char *name, uint64_t value);
bool unit_stag(const struct vector_unit *unit, const char *name, uint64_t *value);

/* vector_unit.c */

/* watch: find the words that hardware changed, at the cost of two passes over all memory. */
int unit_request(struct vector_unit *unit, const struct value *request, bool watch,
		 struct unit_answer *answer, struct err *err);

#endif
