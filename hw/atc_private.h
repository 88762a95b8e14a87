/* The parts of the device TLBs among themselves. */
#ifndef IOMMUSIM_HW_ATC_PRIVATE_H
#define IOMMUSIM_HW_ATC_PRIVATE_H

#include "hw/atc.h"
#include "hw/marks.h"

/* What a tag of copies stands for. */
struct atc_form {
	uint32_t pasid;
	uint8_t input_bits;
	bool privileged;
};

static inline bool atc_form_serves(const struct atc_form *form, const struct dma_request *request)
{
	return form->pasid == request->pasid && form->privileged == (request->privileged != 0);
}

struct atc {
	struct tlb *tlb;
	struct atc_form *forms; /* by tag */
	uint32_t n_forms, max_forms;
	uint32_t last; /* form that was found last */
	bool dma;      /* DMAs go through it */
};

static inline iova_t atc_iova_of(unsigned input_bits, iova_t input)
{
	return input_bits && bit(input, input_bits - 1) ? input | ~low_mask(input_bits) : input;
}

/* What a visit of one device's copies works with. */
struct atc_visit {
	struct atc_set *set;
	const struct atc *atc;
	uint32_t device;
	unsigned reason;
	uint64_t changed;
	struct inval_report *report;
};

static inline struct atc_visit atc_visit_of(struct atc_set *set, uint32_t device)
{
	return (struct atc_visit){ .set = set, .atc = set->atcs[device], .device = device };
}

/* atc_report.c */
void atc_describe(const struct atc *atc, uint32_t device, const struct tlb_at *at,
		  struct cached_copy *copy);
/* A copy with its check bit set is told of: it is there from now on, it is gone. */
void atc_opens(const struct atc_visit *visit, const struct tlb_at *at);
void atc_closes(const struct atc_visit *visit, const struct tlb_at *at);

/* atc_change.c: sets the check bit, for visit->reason. */
void atc_doubt(const struct atc_visit *visit, const struct tlb_at *at);

#endif
