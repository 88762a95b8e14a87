/* What the world tells its points; every call of a replay without points ends at the NULL pointer. */
#ifndef IOMMUSIM_SIM_POINTS_PRIVATE_H
#define IOMMUSIM_SIM_POINTS_PRIVATE_H

#include "sim/points.h"
#include "sim/replay_private.h"

struct points {
	struct replay_observer fan; /* the world's observer */
	struct replay **items;
	uint32_t n;
	const char *differs; /* what a point's driver or hardware does otherwise; NULL: nothing */
	bool adopting;	     /* start state is found for DMAs that no point has come to yet */
};

#define EACH_POINT(world, point)                                                                   \
	for (uint32_t i_ = 0;                                                                      \
	     i_ < (world)->points->n && ((point) = (world)->points->items[i_], true); i_++)

extern const struct replay_observer points_fan; /* of the world: to all points */
/* Something that points of one world have in common is not the same; the error for it, -1. */
void points_differ(const struct replay *world, const char *what);
int points_say_otherwise(struct replay *world, const char *what, struct err *err);
/* The point's own actions that come first are done, and it sees the world as it is now. */
void points_keep_up(struct replay *point, const struct replay *world);

/* A recorded event other than a DMA is about to be worked off. */
int points_event(struct replay *world, const struct event *event, struct err *err);
/* A stretch of DMAs to one unit, from event `begin` on; *done says how many. */
int points_dmas(struct replay *world, const struct event_batch *batch, size_t begin, size_t *done,
		struct err *err);
/* The unit that was just added: its counterparts, started with their root table at `root`. */
int points_add_unit(struct replay *world, pa_t root, struct err *err);
int points_add_device(struct replay *world, const struct device *device, struct err *err);
/* Words that the driver of a unit writes for an attachment, and a command that it gives: so would every point's. */
int points_attach(struct replay *world, uint32_t unit, const struct attachment *attachment,
		  const struct table_word *words, size_t n, struct err *err);
void points_encode(struct replay *world, uint32_t unit, const struct invalidation *what,
		   const struct native_command *command);
void points_tables_changed(struct replay *world);
/* An invalidation executes, a configuration entry is dropped, a device TLB does not answer. */
void points_execute(struct replay *world, const struct inval_op *op);
int points_drop_config(struct replay *world, uint32_t unit, const struct native_command *command,
		       struct err *err);
void points_atc_timed_out(struct replay *world, uint32_t unit, uint32_t device);
int points_reg_write(struct replay *world, uint32_t unit, uint64_t offset, uint64_t value,
		     unsigned size, struct err *err);
/* Recorded answers: what an update of the range explains or ends. */
void points_answers_touched(struct replay *world, const struct domain *domain, iova_t first,
			    iova_t last);
int points_finish(struct replay *world, struct err *err);
void points_destroy(struct replay *world);

#endif
