/* What a model offers to test vectors (docs/vectors.md) beyond struct iommu_model. */
#ifndef IOMMUSIM_HW_VECTORS_H
#define IOMMUSIM_HW_VECTORS_H

#include "hw/base/settings.h"
#include "hw/tables.h"

struct iommu;
struct native_command;

/* A name of a vector's config with its value: "rtaddr", "CB.0.TCR". */
struct named_value {
	const char *name, *text;
	uint64_t value;
	bool number; /* text is a number, and value holds it */
};
/* NULL: none of that name. */
const struct named_value *named_value_find(const struct named_value *values, size_t n,
					   const char *name);
/* Only these names, NULL ends them, may be there; -1: the first other one. */
int named_values_only(const char *action, const struct named_value *values, size_t n,
		      const char *const *names, struct err *err);

enum { FAULT_RECORD_WORDS = 8, VECTOR_ANSWER_MAX = 64 };

/* What a model tells of itself: a number, a text, or that there is none ("none" in a file). */
struct told {
	const char *text; /* NULL: value says it; lives until the next call */
	uint64_t value;
	bool none;
};

/* A command queue in memory, as its registers say now. */
struct command_queue {
	pa_t base;
	uint64_t entries; /* a power of two; wrap bits of `tail` above the index are ignored */
	unsigned entry_bytes;
	uint64_t tail_offset; /* of the register that software writes to submit */
	unsigned tail_size;
};

/*
 * What test vectors (docs/vectors.md) need of a model beyond struct iommu_model. Only
 * configure_from and start_from must be there; what is NULL no vector can ask for.
 */
struct iommu_vectors {
	/* Sets in *config, which holds the defaults, what these registers and limits stand for;
	 * -1: an unknown name, or a unit that the model cannot be. */
	int (*configure_from)(void *config, const struct named_value *values, size_t n,
			      struct err *err);
	/* The same for one of `opts` that is no setting ("BBML"). */
	int (*option)(void *config, const struct named_value *option, struct err *err);
	/* After create(): the register writes that bring the unit to this state, translation on. */
	int (*start_from)(struct iommu *iommu, const struct named_value *values, size_t n,
			  struct err *err);
	/* Where a register is; false: none of that name. */
	bool (*find_register)(const struct iommu *iommu, const char *name, uint64_t *offset,
			      unsigned *size);
	/* The newest fault or event record as it stands; answers its words, 0: none. */
	unsigned (*fault_record)(const struct iommu *iommu, uint64_t words[FAULT_RECORD_WORDS]);
	/* The word is part of a queue that hardware writes: no table word that it changed. */
	bool (*in_queue)(const struct iommu *iommu, pa_t pa);
	void (*command_queue)(const struct iommu *iommu, struct command_queue *queue);
	/* Puts the tag of a stalled transaction into a command. */
	void (*put_stag)(struct native_command *command, uint64_t stag);
	/* The words of a command named in words: "CFGI_STE sid=0x10 leaf=1". */
	int (*encode)(const struct iommu *iommu, const char *text, struct native_command *command,
		      struct err *err);
	/*
	 * What devices and drivers do beside: "page_request", "atc_fill", "map". `values` are all
	 * that the step says; answer: what came of it, in words. -1: no such action, or not so.
	 */
	int (*act)(struct iommu *iommu, const char *action, const struct named_value *values,
		   size_t n, char answer[VECTOR_ANSWER_MAX], struct err *err);
	/*
	 * Further fields of what a request met or of the unit's state: "asid", "queue.prod".
	 * `beside` are all values expected in the same map ("name" is EVENTQ, "prod" 4): some say
	 * what is meant. False: not told.
	 */
	bool (*field)(const struct iommu *iommu, const char *name, const struct named_value *beside,
		      size_t n, struct told *told);
};

#endif
