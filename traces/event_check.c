#include "traces/event_check.h"

#include <stdio.h>
#include <string.h>

#define SAY(...) (snprintf(wrong, EVENT_WRONG, __VA_ARGS__), -1)

void event_plans_make(struct event_plan plans[EVENT_KINDS])
{
	for (unsigned kind = 0; kind < EVENT_KINDS; kind++) {
		struct event_plan *plan = &plans[kind];

		*plan = (struct event_plan){ 0 };
		for (unsigned f = 0; f < EVENT_FIELDS; f++) {
			const struct event_field *field = &event_kinds[kind].fields[f];

			if (field->type == FIELD_END)
				continue;
			if (!strcmp(field->key, "size") && kind != EVENT_REG)
				plan->size = (uint16_t)(1u << f);
			plan->has_length |= field->place == PLACE_LEN;
			plan->optional |= field->place == PLACE_ADDR && !field->required;
			if (field->type == FIELD_CHOICE || field->type == FIELD_WORD ||
			    field->type == FIELD_PERM || field->type == FIELD_IOMMU ||
			    field->type == FIELD_NAME || field->type == FIELD_STRING)
				plan->valued |= (uint16_t)(1u << f);
		}
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

static uint64_t choices_of(const char *choices)
{
	uint64_t n = 1;

	for (; *choices; choices++)
		n += *choices == '|';
	return n;
}

static int check_value(const struct names *names, const struct event_field *field, uint64_t value,
		       char wrong[EVENT_WRONG])
{
	uint64_t n;

	switch (field->type) {
	case FIELD_PERM:
		if (!value)
			return SAY("perm= empty; expected r, w or rw");
		n = 8;
		break;
	case FIELD_IOMMU:
		n = names_count(names, NAMES_IOMMUS);
		break;
	case FIELD_NAME:
	case FIELD_STRING:
		n = names_count(names, NAMES_STRINGS);
		break;
	default:
		n = choices_of(field->choices);
	}
	if (value >= n)
		return SAY("%s= number %llu of %llu", field->key, (unsigned long long)value,
			   (unsigned long long)n);
	return 0;
}

int event_check(const struct event_plan *plan, const struct names *names,
		const struct event_batch *batch, const struct event *event, char wrong[EVENT_WRONG])
{
	bool sized = event->present & plan->size;

	for (unsigned left = event->present & plan->valued; left; left &= left - 1) {
		unsigned f = (unsigned)__builtin_ctz(left);

		if (check_value(names, &event_kinds[event->kind].fields[f],
				event_value(batch, event, f), wrong))
			return -1;
	}
	return event_check_range(
		plan, event, sized,
		sized ? event_value(batch, event, (unsigned)__builtin_ctz(plan->size)) : 0, sized,
		wrong);
}
