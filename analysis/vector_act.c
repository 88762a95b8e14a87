/* Steps of a vector that are neither accesses nor words: commands, queues, a model's own actions. */
#include <stdlib.h>
#include <string.h>

#include "analysis/vector_unit.h"
#include "analysis/vector_values.h"

enum { COMMAND_WORDS = sizeof(struct native_command) / sizeof(uint64_t) };

static int command_of(const struct value *words, struct native_command *command, struct err *err)
{
	size_t n = 0;

	*command = (struct native_command){ 0 };
	for (const struct value *word = words->first; word; word = word->next)
		if (n == COMMAND_WORDS || !text_number(word->text, &command->words[n++]))
			return err_set(err, ERR_CONFIG, "cmd: expected up to %d words",
				       COMMAND_WORDS);
	return 0;
}

static int put_stag(const struct vector_unit *unit, const char *name,
		    struct native_command *command, struct err *err)
{
	const struct iommu_vectors *vectors = unit->model->vectors;
	uint64_t stag;

	if (!vectors->put_stag)
		return err_set(err, ERR_CONFIG, "stag: the model's commands have none");
	if (!unit_stag(unit, name, &stag))
		return err_set(err, ERR_CONFIG,
			       "stag: nothing that stalled before is named '%.32s'", name);
	vectors->put_stag(command, stag);
	return 0;
}

static int one_command(struct vector_unit *unit, const struct value *words, const char *stag,
		       struct inval_report *report, struct err *err)
{
	struct native_command command;
	struct inval_report removed;

	if (command_of(words, &command, err) || (*stag && put_stag(unit, stag, &command, err)))
		return -1;
	if (unit->model->execute(unit->iommu, ++unit->event, &command, &removed, err))
		return -1;
	report->removed += removed.removed;
	report->agreed += removed.agreed;
	report->pointers += removed.pointers;
	report->stale += removed.stale;
	report->configs += removed.configs;
	return 0;
}

static bool is_list_of_commands(const struct value *cmd)
{
	return cmd->first && cmd->first->kind == VALUE_LIST;
}

int unit_command(struct vector_unit *unit, const struct value *cmd, const char *stag,
		 struct inval_report *report, struct err *err)
{
	*report = (struct inval_report){ 0 };
	if (!is_list_of_commands(cmd))
		return one_command(unit, cmd, stag, report, err);
	for (const struct value *command = cmd->first; command; command = command->next)
		if (one_command(unit, command, stag, report, err))
			return -1;
	return 0;
}

/* ---- the queue in memory ---------------------------------------------------------------- */

static int queue_of(const struct vector_unit *unit, struct command_queue *queue, struct err *err)
{
	const struct iommu_vectors *vectors = unit->model->vectors;

	if (!vectors->command_queue)
		return err_set(err, ERR_CONFIG, "the model tells of no command queue in memory");
	vectors->command_queue(unit->iommu, queue);
	return 0;
}

static int write_command(struct vector_unit *unit, const struct command_queue *queue,
			 uint64_t index, const struct value *words, struct err *err)
{
	pa_t at = queue->base + (index & (queue->entries - 1)) * queue->entry_bytes;
	struct native_command command;

	if (command_of(words, &command, err))
		return -1;
	if (words->n * 8 > queue->entry_bytes)
		return err_set(err, ERR_CONFIG, "cmd: expected at most %u words",
			       queue->entry_bytes / 8);
	for (unsigned i = 0; i < queue->entry_bytes / 8; i++)
		if (unit_store_word(unit, at + i * 8ull, command.words[i], err))
			return -1;
	return 0;
}

int unit_queue_commands(struct vector_unit *unit, const struct value *cmd, uint64_t tail,
			struct err *err)
{
	const struct value *command = is_list_of_commands(cmd) ? cmd->first : cmd;
	struct command_queue queue;
	uint64_t index = 0;

	unit->event++;
	if (queue_of(unit, &queue, err))
		return -1;
	unit->model->reg_read(unit->iommu, queue.tail_offset, queue.tail_size, &index);
	for (; command; command = command == cmd ? NULL : command->next)
		if (write_command(unit, &queue, index++, command, err))
			return -1;
	unit->model->reg_write(unit->iommu, unit->event, queue.tail_offset, tail, queue.tail_size);
	return 0;
}

int unit_fix_command(struct vector_unit *unit, const struct value *fix, struct err *err)
{
	const struct value *cmd = value_member(fix, "cmd"), *index = value_member(fix, "index");
	struct command_queue queue;
	uint64_t at;

	unit->event++;
	if (!cmd || cmd->kind != VALUE_LIST || is_list_of_commands(cmd) || !index || !index->text ||
	    !text_number(index->text, &at) || fix->n != 2)
		return err_set(err, ERR_CONFIG, "cmd_fix: expected index and the words of one cmd");
	if (queue_of(unit, &queue, err))
		return -1;
	return write_command(unit, &queue, at, cmd, err);
}

/* ---- the model's own -------------------------------------------------------------------- */

int unit_encode(struct vector_unit *unit, const char *text, struct err *err)
{
	const struct iommu_vectors *vectors = unit->model->vectors;

	if (!vectors->encode)
		return err_set(err, ERR_CONFIG, "the model has no commands by name");
	return vectors->encode(unit->iommu, text, &unit->encoded, err);
}

static int one_act(struct vector_unit *unit, const char *name, const struct value *map,
		   struct flat_values *flat, struct err *err)
{
	const struct named_value *sid, *iova;
	uint32_t handle;

	if (values_flatten(map, name, flat, err))
		return -1;
	sid = values_find(flat->values, flat->n, "sid");
	if (sid && (!sid->number || sid->value > UINT32_MAX))
		return err_set(err, ERR_CONFIG, "%s: sid: expected 32 bits", name);
	if (sid && unit_device(unit, (uint32_t)sid->value, &handle, err))
		return -1;
	unit->event++;
	if (unit->model->vectors->act(unit->iommu, name, flat->values, flat->n, unit->acted, err))
		return -1;
	unit->iommu->interrupt = false;
	iova = values_find(flat->values, flat->n, "iova");
	if (!strcmp(name, "atc_fill") && iova && iova->number)
		unit_note_atc(unit, iova->value);
	return 0;
}

int unit_act(struct vector_unit *unit, const struct value *action, struct err *err)
{
	struct flat_values *flat;
	int answer = 0;

	*unit->acted = '\0';
	if (!unit->model->vectors->act)
		return err_set(err, ERR_CONFIG, "the model takes no '%s'", action->key);
	flat = malloc(sizeof *flat);
	if (!flat)
		return err_no_memory(err, "a step");
	unit->iommu->event = unit->event + 1;
	if (action->kind == VALUE_LIST)
		for (const struct value *one = action->first; one && !answer; one = one->next)
			answer = one_act(unit, action->key, one, flat, err);
	else
		answer = one_act(unit, action->key, action, flat, err);
	free(flat);
	return answer;
}
