#include "analysis/kept.h"

#include <stdlib.h>
#include <string.h>

/* One result: a struct finding with evidence of its own, a struct counter, ... */
struct item {
	struct item *next;
	enum item_kind { ITEM_FINDING, ITEM_COUNTER, ITEM_HISTOGRAM, ITEM_NOTE } kind;
	void *what;
};

struct kept {
	struct result_sink sink;
	struct item *first, **last;
};

static int add(struct result_sink *sink, enum item_kind kind, const void *what, size_t bytes,
	       struct err *err)
{
	struct kept *kept = (struct kept *)sink;
	struct item *item = calloc(1, sizeof *item);

	if (item)
		item->what = malloc(bytes);
	if (!item || !item->what) {
		free(item);
		return err_no_memory(err, "results");
	}
	item->kind = kind;
	memcpy(item->what, what, bytes);
	*kept->last = item;
	kept->last = &item->next;
	return 0;
}

static int keep_finding(struct result_sink *sink, const struct finding *finding, struct err *err)
{
	size_t bytes = finding->n_evidence * sizeof *finding->evidence;
	struct evidence *evidence = malloc(bytes + 1);
	struct finding copy = *finding;

	if (!evidence)
		return err_no_memory(err, "results");
	if (bytes)
		memcpy(evidence, finding->evidence, bytes);
	copy.evidence = evidence;
	if (add(sink, ITEM_FINDING, &copy, sizeof copy, err)) {
		free(evidence);
		return -1;
	}
	return 0;
}

static int keep_counter(struct result_sink *sink, const struct counter *counter, struct err *err)
{
	return add(sink, ITEM_COUNTER, counter, sizeof *counter, err);
}

static int keep_histogram(struct result_sink *sink, const struct result_histogram *histogram,
			  struct err *err)
{
	return add(sink, ITEM_HISTOGRAM, histogram, sizeof *histogram, err);
}

static int keep_note(struct result_sink *sink, const struct run_note *note, struct err *err)
{
	return add(sink, ITEM_NOTE, note, sizeof *note, err);
}

int kept_create(struct kept **out, struct err *err)
{
	struct kept *kept = calloc(1, sizeof *kept);

	if (!kept)
		return err_no_memory(err, "results");
	kept->sink = (struct result_sink){ keep_finding, keep_counter, keep_histogram, keep_note };
	kept->last = &kept->first;
	*out = kept;
	return 0;
}

void kept_destroy(struct kept *kept)
{
	if (!kept)
		return;
	for (struct item *item = kept->first, *next; item; item = next) {
		next = item->next;
		if (item->kind == ITEM_FINDING)
			free((void *)((struct finding *)item->what)->evidence);
		free(item->what);
		free(item);
	}
	free(kept);
}

struct result_sink *kept_sink(struct kept *kept)
{
	return &kept->sink;
}

static int give(const struct item *item, struct result_sink *sink, struct err *err)
{
	switch (item->kind) {
	case ITEM_FINDING:
		return sink->finding(sink, item->what, err);
	case ITEM_COUNTER:
		return sink->counter(sink, item->what, err);
	case ITEM_HISTOGRAM:
		return sink->histogram(sink, item->what, err);
	case ITEM_NOTE:
		return sink->note(sink, item->what, err);
	}
	return 0;
}

int kept_give(const struct kept *kept, struct result_sink *sink, struct err *err)
{
	for (const struct item *item = kept->first; item; item = item->next)
		if (give(item, sink, err))
			return -1;
	return 0;
}
