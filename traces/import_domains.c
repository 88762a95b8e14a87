/*
 * Whose mapping is whose. iommu:map and iommu:unmap name an address, but neither domain nor
 * device, and the domains of one guest use the same addresses. What is known:
 *
 *   - claims (import_claims.c): a command or a dma:* event next to the map or unmap;
 *   - the emulator's table walks name domain, address and answer: a live mapping of this address
 *     to this answer is that domain's;
 *   - in one domain an address is mapped once at a time, and a scatter list's pieces, mapped one
 *     behind the other by one task, belong together.
 *
 * What these leave open is inferred: from the mappings live at the address, then from the task.
 */
#include "traces/import_parts.h"

#include <stdlib.h>

enum {
	CPU_SLOTS = 256, /* by number; more CPUs share them and lose hints, nothing else */
	PID_SLOTS = 1024,
	STABBED = 64,		/* mappings at one address that are compared */
	PIECE_GAP_NS = 1000000, /* pieces of one scatter list follow closer than this */
	BURST_NS = 50000,	/* unmaps of one device's completion follow closer than this */
};

/* Pieces mapped together; they share a domain. */
struct group {
	int32_t space; /* -1: open */
	uint8_t how, perm;
	bool answered;
	uint32_t pieces; /* live */
	uint32_t pid, cpu;
	uint64_t first, last; /* of all pieces */
	uint64_t time_ns;
	uint32_t next_free;
};

struct pid_entry {
	uint32_t pid;
	int32_t space; /* -1: empty */
};

struct domain_cpu {
	uint32_t cpu, pid;
	uint32_t group;	      /* of the map that this CPU made last, 0: none */
	uint64_t group_first; /* guards against a group number that was reused */
	int32_t unmap_space;
	uint64_t unmap_ns;
};

struct domains {
	struct decisions *decisions;
	int32_t *spaces;
	size_t spaces_n;
	struct live_tree tree;
	struct group *groups;
	uint32_t groups_n, groups_room, groups_free;
	struct pid_entry pids[PID_SLOTS];
	struct domain_cpu cpus[CPU_SLOTS];
	uint64_t unmaps_without_map;
};

/* ---- groups -------------------------------------------------------------------------- */

int domains_create(struct decisions *decisions, const int32_t *spaces, size_t n,
		   struct domains **out, struct err *err)
{
	struct domains *domains = calloc(1, sizeof *domains);

	if (!domains || !(domains->spaces = malloc((n + 1) * sizeof *spaces))) {
		domains_destroy(domains);
		return err_no_memory(err, "domains");
	}
	if (n)
		memcpy(domains->spaces, spaces, n * sizeof *spaces);
	domains->spaces_n = n;
	domains->decisions = decisions;
	domains->groups_n = 1; /* 0 is "none" */
	for (unsigned i = 0; i < PID_SLOTS; i++)
		domains->pids[i].space = -1;
	for (unsigned i = 0; i < CPU_SLOTS; i++)
		domains->cpus[i].unmap_space = -1;
	*out = domains;
	return 0;
}

void domains_destroy(struct domains *domains)
{
	if (!domains)
		return;
	free(domains->spaces);
	live_tree_free(&domains->tree);
	free(domains->groups);
	free(domains);
}

static struct domain_cpu *domain_cpu_of(struct domains *domains, uint32_t cpu)
{
	struct domain_cpu *slot = &domains->cpus[cpu % CPU_SLOTS];

	if (slot->cpu != cpu)
		*slot = (struct domain_cpu){ .cpu = cpu, .unmap_space = -1 };
	return slot;
}

/* A free group; 0 without memory. */
static uint32_t take_group(struct domains *domains)
{
	uint32_t group = domains->groups_free;

	if (group) {
		domains->groups_free = domains->groups[group].next_free;
		return group;
	}
	if (domains->groups_n >= domains->groups_room) {
		uint32_t room = domains->groups_room ? domains->groups_room * 2 : 1024;
		struct group *groups = NULL;

		if (room > domains->groups_room)
			groups = realloc(domains->groups, room * sizeof *groups);
		if (!groups)
			return 0;
		domains->groups = groups;
		domains->groups_room = room;
	}
	return domains->groups_n++;
}

static void group_decide(struct domains *domains, struct group *group, int32_t space,
			 enum import_how how)
{
	struct pid_entry *entry = &domains->pids[group->pid % PID_SLOTS];

	group->space = space;
	group->how = (uint8_t)how;
	if (how <= HOW_ANSWER)
		*entry = (struct pid_entry){ group->pid, space };
}

/* Whether another mapping of this domain is live at the group's address. */
static bool group_excluded(const struct domains *domains, const struct group *group, int32_t space)
{
	uint32_t node = 0;

	for (int i = 0; i < STABBED; i++) {
		const struct group *other;

		node = live_tree_overlap(&domains->tree, group->first, group->last, node);
		if (!node)
			break;
		other = &domains->groups[domains->tree.live[node].group];
		if (other != group && other->space == space)
			return true;
	}
	return false;
}

/* The last resort, when the mapping goes or the recording ends. */
static void group_infer(struct domains *domains, struct group *group)
{
	const struct pid_entry *entry = &domains->pids[group->pid % PID_SLOTS];
	size_t possible = 0;
	int32_t only = NO_SPACE;

	if (group->space >= 0)
		return;
	if (domains->spaces_n == 1) {
		group_decide(domains, group, domains->spaces[0], HOW_ONLY);
		return;
	}
	for (size_t i = 0; i < domains->spaces_n && possible < 2; i++) {
		if (!group_excluded(domains, group, domains->spaces[i])) {
			only = domains->spaces[i];
			possible++;
		}
	}
	if (possible == 1)
		group_decide(domains, group, only, HOW_FREE);
	else if (entry->space >= 0 && entry->pid == group->pid &&
		 !group_excluded(domains, group, entry->space))
		group_decide(domains, group, entry->space, HOW_TASK);
}

/* ---- live mappings ------------------------------------------------------------------- */

static void live_settle(struct domains *domains, uint32_t node)
{
	const struct live *live = &domains->tree.live[node];
	const struct group *group = &domains->groups[live->group];

	domains->decisions->items[live->ordinal] =
		decision_of(group->space, (enum import_how)group->how, group->perm);
}

static void live_drop(struct domains *domains, uint32_t node)
{
	struct group *group = &domains->groups[domains->tree.live[node].group];

	live_settle(domains, node);
	if (--group->pieces == 0) {
		group->next_free = domains->groups_free;
		domains->groups_free = domains->tree.live[node].group;
	}
	live_tree_remove(&domains->tree, node);
}

static int live_add(struct domains *domains, struct live live, struct err *err)
{
	if (!live_tree_add(&domains->tree, &live))
		return err_no_memory(err, "live mappings");
	domains->groups[live.group].pieces++;
	return 0;
}

/* Takes [first, last] out of one live mapping; what is left on either side stays live. */
static int live_cut(struct domains *domains, uint32_t node, uint64_t first, uint64_t last,
		    struct err *err)
{
	struct live before = domains->tree.live[node], after = before;
	int status = 0;

	/* The group must outlive the moment between both pieces. */
	domains->groups[before.group].pieces++;
	live_drop(domains, node);
	if (before.first < first) {
		before.last = first - 1;
		status = live_add(domains, before, err);
	}
	if (after.last > last && status == 0) {
		after.pa += last + 1 - after.first;
		after.first = last + 1;
		status = live_add(domains, after, err);
	}
	if (--domains->groups[before.group].pieces == 0) {
		domains->groups[before.group].next_free = domains->groups_free;
		domains->groups_free = before.group;
	}
	return status;
}

/* The group that a map continues: the piece before it on this CPU ended where it begins. */
static uint32_t group_continued(struct domains *domains, const struct guest_record *record,
				uint64_t time_ns, struct decision claimed)
{
	struct domain_cpu *cpu = domain_cpu_of(domains, record->cpu);
	struct group *group;

	if (!cpu->group || cpu->pid != record->pid)
		return 0;
	group = &domains->groups[cpu->group];
	if (group->pieces == 0 || group->first != cpu->group_first ||
	    group->last + 1 != record->iova || record->iova == 0 ||
	    time_ns - group->time_ns > PIECE_GAP_NS)
		return 0;
	if (claimed.how != HOW_NONE && group->space >= 0 && group->space != (int32_t)claimed.space)
		return 0;
	return cpu->group;
}

/* A domain maps an address once: an older mapping there was unmapped unseen, or replaced. */
static int replace_older(struct domains *domains, const struct group *group, uint64_t first,
			 uint64_t last, struct err *err)
{
	int32_t space = group->space;
	uint32_t node = 0, next = live_tree_overlap(&domains->tree, first, last, 0);

	if (group->space < 0)
		return 0;
	while ((node = next)) {
		const struct group *other = &domains->groups[domains->tree.live[node].group];

		next = live_tree_overlap(&domains->tree, first, last, node);
		if (other->space == space && other != group &&
		    live_cut(domains, node, first, last, err))
			return -1;
	}
	return 0;
}

int domains_map(struct domains *domains, size_t ordinal, const struct guest_record *record,
		uint64_t time_ns, struct err *err)
{
	struct domain_cpu *cpu = domain_cpu_of(domains, record->cpu);
	struct decision claimed = domains->decisions->items[ordinal];
	uint32_t number = group_continued(domains, record, time_ns, claimed);
	struct group *group;
	struct live live = {
		.first = record->iova, .last = record->end - 1, .pa = record->pa, .ordinal = ordinal
	};

	if (!number) {
		number = take_group(domains);
		if (!number)
			return err_no_memory(err, "live mappings");
		domains->groups[number] = (struct group){
			.space = -1,
			.pid = record->pid,
			.cpu = record->cpu,
			.first = record->iova,
		};
	}
	group = &domains->groups[number];
	group->last = record->end - 1;
	group->time_ns = time_ns;
	if (claimed.how != HOW_NONE && group->space < 0)
		group_decide(domains, group, (int32_t)claimed.space, (enum import_how)claimed.how);
	cpu->pid = record->pid;
	cpu->group = number;
	cpu->group_first = group->first;
	if (replace_older(domains, group, record->iova, record->end - 1, err))
		return -1;
	live.group = number;
	return live_add(domains, live, err);
}

/* How likely an unmap means this mapping. */
static unsigned likelihood(const struct domains *domains, uint32_t node, uint64_t first,
			   uint64_t last, const struct domain_cpu *cpu, uint64_t time_ns)
{
	const struct live *live = &domains->tree.live[node];
	const struct group *group = &domains->groups[live->group];
	unsigned score = 1;

	/* Drivers give back what they got, whole; neighbours may have been taken for pieces. */
	if ((group->first == first && group->last == last) ||
	    (live->first == first && live->last == last))
		score += 8;
	if (group->answered)
		score += 3; /* and mostly after use */
	if (cpu->unmap_space >= 0 && group->space == cpu->unmap_space &&
	    time_ns - cpu->unmap_ns < BURST_NS)
		score += 2; /* and a device's completions together */
	return score;
}

/* The mapping that an unmap takes away; *several: others were possible. */
static uint32_t choose(const struct domains *domains, const struct guest_record *record,
		       struct decision claimed, const struct domain_cpu *cpu, uint64_t time_ns,
		       bool *several)
{
	uint64_t last = record->end - 1;
	uint32_t node = 0, best = 0;
	unsigned best_score = 0;

	*several = false;
	for (int i = 0; i < STABBED; i++) {
		const struct group *group;
		unsigned score;

		node = live_tree_overlap(&domains->tree, record->iova, last, node);
		if (!node || (best && domains->tree.live[node].first > record->iova))
			break;
		group = &domains->groups[domains->tree.live[node].group];
		if (claimed.how != HOW_NONE && group->space >= 0 &&
		    group->space != (int32_t)claimed.space)
			continue;
		score = likelihood(domains, node, record->iova, last, cpu, time_ns);
		if (claimed.how != HOW_NONE && group->space >= 0)
			score += 100;
		*several = best != 0;
		if (score > best_score ||
		    (score == best_score &&
		     group->time_ns > domains->groups[domains->tree.live[best].group].time_ns)) {
			best = node;
			best_score = score;
		}
	}
	return best;
}

/* Takes the range out of the chosen group, and of what continues it in the same domain. */
static int take_away(struct domains *domains, uint32_t chosen, const struct guest_record *record,
		     struct err *err)
{
	uint32_t number = domains->tree.live[chosen].group, node, next;
	uint64_t last = record->end - 1, group_last = domains->groups[number].last;
	int32_t space = domains->groups[number].space;

	next = live_tree_overlap(&domains->tree, record->iova, last, 0);
	while ((node = next)) {
		struct group *group = &domains->groups[domains->tree.live[node].group];
		bool same = domains->tree.live[node].group == number ||
			    (space >= 0 && group->space == space);

		next = live_tree_overlap(&domains->tree, record->iova, last, node);
		if (!same && group->space < 0 && domains->tree.live[node].first > group_last &&
		    space >= 0) {
			group_decide(domains, group, space, HOW_LIKELY);
			same = true;
		}
		if (same && live_cut(domains, node, record->iova, last, err))
			return -1;
	}
	return 0;
}

int domains_unmap(struct domains *domains, size_t ordinal, const struct guest_record *record,
		  uint64_t time_ns, struct err *err)
{
	struct domain_cpu *cpu = domain_cpu_of(domains, record->cpu);
	struct decision *decision = &domains->decisions->items[ordinal];
	bool several;
	uint32_t node = choose(domains, record, *decision, cpu, time_ns, &several);
	struct group *group;

	if (!node) {
		struct group unseen = { .space = -1,
					.pid = record->pid,
					.first = record->iova,
					.last = record->end - 1 };

		domains->unmaps_without_map++;
		if (decision->how == HOW_NONE) {
			group_infer(domains, &unseen);
			*decision = decision_of(unseen.space, (enum import_how)unseen.how, 0);
		}
		return 0;
	}
	group = &domains->groups[domains->tree.live[node].group];
	if (group->space < 0 && decision->how != HOW_NONE)
		group_decide(domains, group, (int32_t)decision->space,
			     (enum import_how)decision->how);
	group_infer(domains, group);
	if (decision->how == HOW_NONE && group->space >= 0)
		*decision = decision_of(
			group->space,
			!several && group->how <= HOW_ANSWER ? HOW_PAIRED : HOW_LIKELY, 0);
	cpu->unmap_space = group->space;
	cpu->unmap_ns = time_ns;
	return take_away(domains, node, record, err);
}

void domains_answer(struct domains *domains, int32_t space, uint64_t iova, uint64_t pa,
		    unsigned perm)
{
	struct group *open = NULL;
	uint32_t node = 0;

	for (int i = 0; i < STABBED; i++) {
		struct group *group;

		node = live_tree_overlap(&domains->tree, iova, iova, node);
		if (!node)
			break;
		group = &domains->groups[domains->tree.live[node].group];
		if (domains->tree.live[node].pa + (iova - domains->tree.live[node].first) != pa)
			continue;
		if (group->space < 0)
			open = group;
		if (group->space == space) {
			open = group;
			break;
		}
	}
	if (!open)
		return;
	if (open->space < 0)
		group_decide(domains, open, space, HOW_ANSWER);
	open->answered = true;
	open->perm = (uint8_t)(perm & 3);
}

void domains_finish(struct domains *domains, uint64_t *unmaps_without_map)
{
	uint32_t node = 0;

	while ((node = live_tree_overlap(&domains->tree, 0, UINT64_MAX, node))) {
		group_infer(domains, &domains->groups[domains->tree.live[node].group]);
		live_settle(domains, node);
	}
	*unmaps_without_map = domains->unmaps_without_map;
}
