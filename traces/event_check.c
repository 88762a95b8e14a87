#include "traces/event_check.h"

#include <stdio.h>
#include <string.h>

#define SAY(...) (wrong ? (void)snprintf(wrong, EVENT_WRONG, __VA_ARGS__) : (void)0, -1)

/* event_plan.below: not a number but the names of a table. */
enum { BELOW_STRINGS = 254, BELOW_IOMMUS = 255 };

static uint8_t choices_of(const char *choices)
{
	uint8_t n = 1;

	for (; *choices; choices++)
		n = (uint8_t)(n + (*choices == '|'));
	return n;
}

static uint8_t below_of(const struct event_field *field)
{
	switch (field->type) {
	case FIELD_CHOICE:
	case FIELD_WORD:
		return choices_of(field->choices);
	case FIELD_PERM:
		return EVENT_PERMS;
	case FIELD_NAME:
	case FIELD_STRING:
		return BELOW_STRINGS;
	case FIELD_IOMMU:
		return BELOW_IOMMUS;
	default:
		return 0;
	}
}

/*
 * Usual is an event with all required fields up to its size and permissions, no optional one among those,
 * and no other field that has a range: their places are the same in all such events.
 */
static void settle_usual(const struct event_kind_row *row, struct event_plan *plan)
{
	unsigned needed = plan->size | plan->nonzero;

	plan->usual = 1; /* no event is, where there is no size */
	if (!plan->size)
		return;
	plan->settled_by = plan->looked_at;
	plan->usual = plan->size | plan->nonzero;
	for (unsigned f = 0, place = 0; needed >> f; f++) {
		uint16_t bit = (uint16_t)(1u << f);

		if (row->fields[f].place != PLACE_SLOT)
			continue;
		plan->settled_by |= bit;
		if (plan->size & bit)
			plan->size_at = (uint8_t)place;
		if (plan->nonzero & bit)
			plan->perm_at = (uint8_t)place;
		if (!row->fields[f].required && !(needed & bit))
			continue;
		plan->usual |= bit;
		place++;
	}
}

void event_plans_make(struct event_plan plans[EVENT_KINDS])
{
	for (unsigned kind = 0; kind < EVENT_KINDS; kind++) {
		struct event_plan *plan = &plans[kind];

		*plan = (struct event_plan){ 0 };
		for (unsigned f = 0; f < EVENT_FIELDS; f++) {
			const struct event_field *field = &event_kinds[kind].fields[f];
			uint16_t bit = (uint16_t)(1u << f);

			if (field->type == FIELD_END)
				continue;
			if (!strcmp(field->key, "size") && kind != EVENT_REG)
				plan->size = bit;
			plan->has_length |= field->place == PLACE_LEN;
			plan->optional |= field->place == PLACE_ADDR && !field->required;
			if (field->type == FIELD_PERM)
				plan->nonzero = bit;
			plan->below[f] = below_of(field);
			plan->looked_at |= plan->below[f] || plan->size == bit ? bit : 0;
		}
		settle_usual(&event_kinds[kind], plan);
	}
}

static int check_length(const struct event *event, uint64_t length, char wrong[EVENT_WRONG])
{
	if (!length && !(event->kind == EVENT_DMA && event_verb(event) == DMA_VERB_READ))
		return SAY("a length of 0; only 'dma read' has one, a flushing read");
	if (length && event->addr + (length - 1) < event->addr)
		return SAY("0x%llx + 0x%llx goes beyond 2^64", (unsigned long long)event->addr,
			   (unsigned long long)length);
	return 0;
}

int event_check_range(const struct event_plan *plan, const struct event *event, bool sized,
		      uint64_t size, bool placed, char wrong[EVENT_WRONG])
{
	/* inval and dirty: without its size an address has no place in what is printed */
	if (plan->optional && sized != placed)
		return SAY("%s; '%s' names a range or neither",
			   placed ? "iova= without size=" : "size= without iova=",
			   event_kinds[event->kind].word);
	if (sized)
		return check_length(event, size, wrong);
	return plan->has_length ? check_length(event, event->len, wrong) : 0;
}

static __attribute__((noinline, cold)) int out_of_range(const struct event_field *field,
							uint64_t value, uint64_t below,
							char wrong[EVENT_WRONG])
{
	if (value < below)
		return SAY("%s= empty; expected r, w or rw", field->key);
	return SAY("%s= number %llu of %llu", field->key, (unsigned long long)value,
		   (unsigned long long)below);
}

int event_check(const struct event_plan *plan, const struct names *names,
		const struct event_batch *batch, const struct event *event, char wrong[EVENT_WRONG])
{
	const uint64_t *slot = batch->slots + event->slot;
	bool sized = event->present & plan->size;
	uint64_t size = 0;

	for (unsigned left = event->present; left; left &= left - 1, slot++) {
		unsigned f = (unsigned)__builtin_ctz(left);
		uint64_t below = plan->below[f];

		if (!(plan->looked_at >> f & 1))
			continue;
		if (plan->size >> f & 1) {
			size = *slot;
			continue;
		}
		if (below >= BELOW_STRINGS)
			below = names_count(names,
					    below == BELOW_STRINGS ? NAMES_STRINGS : NAMES_IOMMUS);
		if (*slot >= below || (plan->nonzero >> f & 1 && !*slot))
			return out_of_range(&event_kinds[event->kind].fields[f], *slot, below,
					    wrong);
	}
	return event_check_range(plan, event, sized, size, sized, wrong);
}
