#include "hw/tables.h"

#include <stdlib.h>

#include "hw/pt/pt_walk.h"

enum { MAX_DEPTH = 8, ENTRY_WORDS_MAX = 8, CLIMBS_MAX = 1 << 20 };

static int more_changes(struct tables *tables)
{
	uint32_t max = tables->max_changes ? tables->max_changes * 2 : 16;
	struct table_change *changes = realloc(tables->changes, max * sizeof *changes);

	if (!changes)
		return -1;
	tables->changes = changes;
	tables->max_changes = max;
	return 0;
}

int tables_create(struct memory *memory, struct tables **out, struct err *err)
{
	struct tables *tables = calloc(1, sizeof *tables);

	if (!tables || more_changes(tables)) {
		tables_destroy(tables);
		return err_no_memory(err, "table graph");
	}
	tables->memory = memory;
	*out = tables;
	return 0;
}

void tables_destroy(struct tables *tables)
{
	if (!tables)
		return;
	free(tables->changes);
	free(tables);
}

static const struct table_link *links_of(const struct table_node *node)
{
	return node->links ? node->links : &node->link;
}

static void read_entry(const struct frame *frame, const struct table_role *role, unsigned entry,
		       uint64_t words[ENTRY_WORDS_MAX])
{
	unsigned n = 1u << role->words_lg2;

	for (unsigned i = 0; i < n; i++)
		words[i] = frame_word(frame, (entry << role->words_lg2) + i);
}

static struct entry_view view_decoded(const struct table_role *role, uint64_t word, unsigned level)
{
	struct pt_entry entry = role->decode(word, level);

	if (entry.kind == PT_TABLE)
		return (struct entry_view){
			.kind = ENTRY_TABLE, .child = entry.addr, .role = role, .level = entry.level
		};
	return (struct entry_view){ .kind = entry.kind == PT_ABSENT ? ENTRY_ABSENT : ENTRY_LEAF };
}

static inline struct entry_view view_of(const struct table_role *role, const uint64_t *words,
					unsigned level)
{
	return role->view ? role->view(words, level) : view_decoded(role, words[0], level);
}

static inline struct entry_view view_entry(const struct frame *frame, unsigned entry)
{
	uint64_t words[ENTRY_WORDS_MAX];

	if (frame->node.role->words_lg2 == 0) {
		words[0] = frame_word(frame, entry);
		return view_of(frame->node.role, words, frame->node.level);
	}
	read_entry(frame, frame->node.role, entry, words);
	return view_of(frame->node.role, words, frame->node.level);
}

static int add_link(struct table_node *node, struct table_link link)
{
	if (node->n_links == 0 && !node->links) {
		node->link = link;
		node->n_links = 1;
		return 0;
	}
	if (node->n_links == node->max_links || !node->links) {
		uint32_t max = node->max_links ? node->max_links * 2 : 4;
		struct table_link *links = realloc(node->links, max * sizeof *links);

		if (!links)
			return -1;
		if (!node->links && node->n_links)
			links[0] = node->link;
		node->links = links;
		node->max_links = max;
	}
	node->links[node->n_links++] = link;
	return 0;
}

static void remove_link(struct table_node *node, const struct frame *parent, unsigned index)
{
	struct table_link *links = node->links ? node->links : &node->link;

	for (uint32_t i = 0; i < node->n_links; i++) {
		if (links[i].parent == parent && links[i].index == index) {
			links[i] = links[--node->n_links];
			return;
		}
	}
}

static void pin(struct tables *tables, struct frame *frame)
{
	if (frame->node.pinned)
		return;
	frame->node.pinned = true;
	if (!frame->node.space)
		frame->node.space = ++tables->spaces;
	tables->shape++;
}

static int link_entry(struct tables *tables, struct frame *parent, unsigned entry, unsigned depth);

static void unlink_entry(struct tables *tables, struct frame *parent, unsigned entry);

/* A frame that nothing points to any more can become another kind of table, or of another level. */
static void leave_role(struct tables *tables, struct frame *frame, const struct table_role *role,
		       unsigned level)
{
	struct table_node *node = &frame->node;
	unsigned entries;

	if (!node->role || (node->role == role && node->level == level) || node->n_links ||
	    (node->pinned && !node->role->configuration))
		return;
	entries = FRAME_WORDS >> node->role->words_lg2;
	for (unsigned i = 0; frame->nonzero && i < entries; i++)
		unlink_entry(tables, frame, i);
	node->role = NULL;
	node->mixed = node->leaves = false;
	tables->shape++;
}

/* A frame that becomes a table brings the tables that its words already point to. */
static int take_role(struct tables *tables, struct frame *frame, const struct table_role *role,
		     unsigned level, unsigned part, unsigned depth)
{
	unsigned entries = FRAME_WORDS >> role->words_lg2;

	if (frame->node.role && (!frame->node.role->yields || role->yields)) {
		if (!role->yields && (frame->node.role != role || frame->node.level != level ||
				      frame->node.part != part)) {
			frame->node.mixed = true;
			tables->shape++;
		}
		return 0;
	}
	tables->shape++;
	frame->node.role = role;
	frame->node.level = (uint8_t)level;
	frame->node.leaves = !level && !role->words_lg2 && !role->configuration;
	frame->node.part = (uint16_t)part;
	for (unsigned i = 0; frame->nonzero && i < entries; i++)
		if (link_entry(tables, frame, i, depth + 1))
			return -1;
	return 0;
}

/* Frames that an entry points to: a table may fill several, and an entry may name several pages. */
static unsigned view_frames(const struct entry_view *view)
{
	return view->kind == ENTRY_TABLE ? 1u << (view->pages_lg2 + view->role->frames_lg2) : 0;
}

/* Records the parent of the table that an entry points to, if it points to one. */
static int link_entry(struct tables *tables, struct frame *parent, unsigned entry, unsigned depth)
{
	struct entry_view view = view_entry(parent, entry);
	bool configuration = parent->node.role->configuration;

	if (view.kind != ENTRY_TABLE || depth > MAX_DEPTH)
		return 0;
	for (unsigned i = 0; i < view_frames(&view); i++) {
		unsigned page = i >> view.role->frames_lg2;
		struct table_link link = { parent, (uint16_t)entry, (uint16_t)page, view.level };
		pa_t pa = view.child + ((pa_t)i << FRAME_LG2);
		struct frame *child;

		if (!memory_exists(tables->memory, pa))
			return 0;
		child = memory_make(tables->memory, pa);
		if (!child)
			return -1;
		if (child != parent) /* one that points to itself stays what it is */
			leave_role(tables, child, view.role, view.level);
		tables->shape++;
		if (add_link(&child->node, link))
			return -1;
		/* What a device entry points to is the root of an address space. */
		if (configuration && !view.role->configuration)
			pin(tables, child);
		if (take_role(tables, child, view.role, view.level,
			      i & (unsigned)low_mask(view.role->frames_lg2), depth))
			return -1;
	}
	return 0;
}

static void unlink_entry(struct tables *tables, struct frame *parent, unsigned entry)
{
	struct entry_view view = view_entry(parent, entry);

	for (unsigned i = 0; i < view_frames(&view); i++) {
		struct frame *child =
			memory_frame(tables->memory, view.child + ((pa_t)i << FRAME_LG2));

		if (child)
			remove_link(&child->node, parent, entry);
	}
	tables->shape += view.kind == ENTRY_TABLE;
}

/* Input at which an entry of the frame begins, within its table. */
static uint64_t entry_input(const struct frame *frame, const struct table_role *role,
			    unsigned entry)
{
	uint64_t first = (uint64_t)frame->node.part * (FRAME_WORDS >> role->words_lg2);

	return (first + entry) << role_span_lg2(role, frame->node.level);
}

static int emit(struct tables *tables, const struct table_change *change)
{
	if (tables->n_changes == tables->max_changes && more_changes(tables))
		return -1;
	tables->changes[tables->n_changes++] = *change;
	return 0;
}

/* From a table and an input range within it up to every root it is reached from. */
static int climb(struct tables *tables, const struct frame *frame, struct table_change change,
		 unsigned depth)
{
	const struct table_node *node = &frame->node;
	const struct table_link *links = links_of(node);

	/* tables full of pointers to each other have more paths than can be followed */
	if (++tables->climbs > CLIMBS_MAX)
		return -1;
	if (depth > MAX_DEPTH)
		return 0;
	/* A root can be a table of a larger address space too: drivers start units with fewer levels
	 * below the top of a domain's tables. */
	for (uint32_t i = 0; i < node->n_links; i++) {
		const struct table_role *role = links[i].parent->node.role;
		struct table_change above = change;
		uint64_t base;

		if (!role || role->configuration != node->role->configuration)
			continue;
		if (node->mixed) { /* its own level is in doubt: all that this link reaches */
			above.first = 0;
			above.last = low_mask(role_span_lg2(role, links[i].parent->node.level));
			above.pointer = true;
			above.level = links[i].parent->node.level;
		}
		base = entry_input(links[i].parent, role, links[i].index);
		if (links[i].page)
			base += (uint64_t)links[i].page << (role_span_lg2(node->role, node->level) +
							    FRAME_LG2 - 3 - node->role->words_lg2);
		above.first += base;
		above.last += base;
		if (climb(tables, links[i].parent, above, depth + 1))
			return -1;
	}
	if (!node->pinned)
		return 0; /* a table out of reach of any root changes no translation */
	change.space = node->space;
	return emit(tables, &change);
}

/* The way that climb() would take if there is just one and it meets no table of mixed levels. */
static __attribute__((noinline)) struct table_path only_path(const struct tables *tables,
							     const struct frame *frame)
{
	struct table_path path = { .frame = frame, .shape = tables->shape };
	unsigned depth = 0;

	for (;;) {
		const struct table_node *node = &frame->node;
		const struct table_link *links = links_of(node), *up = NULL;

		for (uint32_t i = 0; i < node->n_links; i++) {
			const struct table_role *role = links[i].parent->node.role;

			if (!role || role->configuration != node->role->configuration)
				continue;
			if (up || links[i].page)
				return path;
			up = &links[i];
		}
		if (node->mixed || (up != NULL) == node->pinned || depth++ > MAX_DEPTH)
			return path;
		if (!up) {
			path.space = node->space;
			return path;
		}
		frame = up->parent;
		path.base += entry_input(frame, frame->node.role, up->index);
	}
}

static inline struct table_path *path_at(struct tables *tables, const struct frame *frame)
{
	return &tables->paths[frame->pa >> FRAME_LG2 & (TABLE_PATHS - 1)];
}

/* The same as it was found last, for as long as the graph has that shape. */
static inline const struct table_path *path_of(struct tables *tables, const struct frame *frame)
{
	struct table_path *path = path_at(tables, frame);

	if (path->frame != frame || path->shape != tables->shape)
		*path = only_path(tables, frame);
	return path;
}

/* Tells of a change within the table to every root that it is reached from. */
static int tell_roots(struct tables *tables, const struct frame *frame, struct table_change *change)
{
	const struct table_path *path = path_of(tables, frame);

	if (!path->space)
		return climb(tables, frame, *change, 0);
	change->space = path->space;
	change->first += path->base;
	change->last += path->base;
	return emit(tables, change);
}

/* Reports entries [first, last] of the frame, whose first old word is given, as one update. */
static __attribute__((noinline)) int report(struct tables *tables, const struct frame *frame,
					    unsigned first, unsigned last,
					    struct table_change *change)
{
	const struct table_role *role = frame->node.role;
	unsigned span = role_span_lg2(role, frame->node.level);

	change->configuration = role->configuration;
	change->level = frame->node.level;
	change->first = entry_input(frame, role, first);
	change->last = entry_input(frame, role, last) + low_mask(span);
	if (frame->node.watch) {
		struct table_change watched = *change;

		watched.space = frame->node.watch;
		watched.configuration = false;
		if (emit(tables, &watched))
			return -1;
	}
	return tell_roots(tables, frame, change);
}

/* Page tables of level 0 hold leaves, so nothing is linked from them. */
static bool points_on(const struct table_node *node)
{
	return node->level > 0 || node->role->configuration;
}

/* What a store of one word means. */
struct word_change {
	uint64_t old, cleared; /* state bits that were set */
	bool told;	       /* caches must see it */
	bool differs;	       /* in more than state */
	bool pointer;	       /* it pointed to a table */
};

/* One word of a table: the old entry's link is cut, the word is set, the new entry's link made. */
static inline int store_word(struct tables *tables, struct frame *frame, unsigned index,
			     uint64_t value, struct word_change *what)
{
	const struct table_role *role = frame->node.role;
	unsigned entry = index >> role->words_lg2;
	enum entry_kind kind = view_entry(frame, entry).kind;

	what->old = frame_word(frame, index);
	what->cleared = what->old & ~value & role->state;
	what->differs = ((what->old ^ value) & role->meaning) && kind != ENTRY_ABSENT;
	what->told = what->differs || (what->cleared && kind != ENTRY_ABSENT) ||
		     (frame->node.watch && what->old != value);
	what->pointer = kind == ENTRY_TABLE;
	if (kind == ENTRY_TABLE)
		unlink_entry(tables, frame, entry);
	if (frame_set(frame, index, value))
		return -1;
	return points_on(&frame->node) ? link_entry(tables, frame, entry, 0) : 0;
}

/* Tells of what the store of one word means. */
static __attribute__((noinline)) int report_word(struct tables *tables, const struct frame *frame,
						 unsigned index, uint64_t value,
						 const struct word_change *what)
{
	unsigned entry = index >> frame->node.role->words_lg2;

	return report(tables, frame, entry, entry,
		      &(struct table_change){ .pointer = what->pointer,
					      .word = frame->pa + index * 8ull,
					      .old = what->old,
					      .now = value,
					      .cleared = what->cleared,
					      .state_only = !what->differs });
}

static __attribute__((noinline)) int store_one(struct tables *tables, struct frame *frame,
					       unsigned index, uint64_t value)
{
	struct word_change what;

	if (store_word(tables, frame, index, value, &what))
		return -1;
	return what.told ? report_word(tables, frame, index, value, &what) : 0;
}

/* A word of level 0 that is not absent, whatever else it says. */
static inline bool leaf_surely(const struct table_role *role, uint64_t word)
{
	return (word & role->leaf_any) || (role->leaf_all && !(~word & role->leaf_all));
}

static bool leaf_absent(const struct table_role *role, uint64_t word)
{
	if (leaf_surely(role, word))
		return false;
	return role->view ? role->view(&word, 0).kind == ENTRY_ABSENT
			  : role->decode(word, 0).kind == PT_ABSENT;
}

/* Changes of entries that follow each other are one. */
static __attribute__((noinline)) int store_run(struct tables *tables, struct frame *frame,
					       unsigned index, unsigned count, uint64_t base,
					       uint64_t step)
{
	const struct table_role *role = frame->node.role;
	struct table_change change = { 0 };
	unsigned first = 0, last = 0;
	bool open = false;

	for (unsigned i = 0; i < count; i++) {
		unsigned entry = (index + i) >> role->words_lg2;
		uint64_t value = base + i * step;
		struct word_change what;

		if (store_word(tables, frame, index + i, value, &what))
			return -1;
		if (!what.told)
			continue;
		if (open && entry > last + 1) {
			if (report(tables, frame, first, last, &change))
				return -1;
			open = false;
		}
		if (!open) {
			change = (struct table_change){ .word = frame->pa + (index + i) * 8ull,
							.old = what.old,
							.now = value,
							.state_only = true };
			first = entry;
			open = true;
		}
		change.cleared |= what.cleared;
		change.state_only &= !what.differs;
		change.pointer |= what.pointer;
		last = entry;
	}
	return open ? report(tables, frame, first, last, &change) : 0;
}

static __attribute__((noinline, cold)) int failed(const struct tables *tables, pa_t pa,
						  struct err *err)
{
	if (tables->climbs <= CLIMBS_MAX)
		return err_no_memory(err, "a table frame");
	return err_set(err, ERR_LIMIT,
		       "table word at 0x%llx: more than %d paths of pointers lead to it; expected "
		       "tables that are shared less",
		       (unsigned long long)pa, CLIMBS_MAX);
}

/* A leaf may have been there before, and may be reached over several ways. */
static __attribute__((noinline)) int tell_leaf(struct tables *tables, const struct frame *frame,
					       unsigned index, struct err *err)
{
	const struct table_change *change = tables->changes;
	struct word_change what = { .old = change->old,
				    .cleared = change->cleared,
				    .differs = !change->state_only };

	if (leaf_absent(frame->node.role, what.old))
		return 0;
	return report_word(tables, frame, index, frame->words[index], &what)
		       ? failed(tables, frame->pa + index * 8ull, err)
		       : 0;
}

/* No link comes or goes. The usual change is told here: of a leaf that is reached over one way, which is known. */
int tables_store_leaf(struct tables *tables, struct frame *frame, unsigned index, uint64_t value,
		      struct err *err)
{
	const struct table_role *role = frame->node.role;
	const struct table_path *path = path_at(tables, frame);
	struct table_change *change = tables->changes;
	uint64_t old = frame->words[index];

	tables->n_changes = tables->climbs = 0;
	tables->stores++;
	frame->nonzero = (uint16_t)(frame->nonzero - !value);
	frame->words[index] = value;
	change->old = old;
	change->now = value;
	change->cleared = old & ~value & role->state;
	change->state_only = !((old ^ value) & role->meaning);
	if (change->state_only && !change->cleared)
		return 0;
	if (!leaf_surely(role, old) || path->frame != frame || path->shape != tables->shape ||
	    !path->space)
		return tell_leaf(tables, frame, index, err);
	tables->n_changes = 1;
	change->space = path->space;
	change->configuration = change->pointer = false;
	change->level = 0;
	/* as entry_input(), of level 0 and one word an entry */
	change->first =
		path->base + (((uint64_t)frame->node.part * FRAME_WORDS + index) << role->unit_lg2);
	change->last = change->first + page_mask(role->unit_lg2);
	change->word = frame->pa + index * 8ull;
	return 0;
}

int tables_store_over(struct tables *tables, struct frame *frame, unsigned index, unsigned count,
		      uint64_t base, uint64_t step, struct err *err)
{
	int answer;

	tables->n_changes = tables->climbs = 0;
	tables->stores += count;
	if (count == 1 && frame->node.role)
		answer = store_one(tables, frame, index, base);
	/* Words outside of tables, and leaves where nothing was, change no translation. */
	else if (!frame->node.role ||
		 (frame->nonzero == 0 && frame->node.role->words_lg2 == 0 && count > 1 && base &&
		  view_of(frame->node.role, &base, frame->node.level).kind == ENTRY_LEAF))
		answer = frame_set_run(frame, index, count, base, step);
	else
		answer = store_run(tables, frame, index, count, base, step);
	return answer ? failed(tables, frame->pa + index * 8ull, err) : 0;
}

int tables_store(struct tables *tables, pa_t pa, unsigned count, uint64_t base, uint64_t step,
		 struct err *err)
{
	struct frame *frame = memory_make(tables->memory, pa);

	if (!frame)
		return err_no_memory(err, "a table frame");
	return tables_store_in(tables, frame, (unsigned)bits(pa, FRAME_LG2 - 1, 3), count, base,
			       step, err);
}

int tables_where(struct tables *tables, pa_t pa, uint64_t value, struct err *err)
{
	const struct frame *frame = memory_frame(tables->memory, pa);
	unsigned index = (unsigned)bits(pa, FRAME_LG2 - 1, 3), entry;
	struct table_change change = { .word = pa, .now = value };

	tables->n_changes = tables->climbs = 0;
	if (!frame || !frame->node.role)
		return 0;
	change.old = frame_word(frame, index);
	entry = index >> frame->node.role->words_lg2;
	return report(tables, frame, entry, entry, &change) ? failed(tables, pa, err) : 0;
}

static struct entry_view plain_view(const uint64_t *words, unsigned level)
{
	(void)level;
	return (struct entry_view){ .kind = words[0] ? ENTRY_LEAF : ENTRY_ABSENT };
}

/* Of a frame that is nothing else to the graph; what its words mean is not known here. */
static const struct table_role watched_role = {
	.name = "table at a translated address",
	.unit_lg2 = FRAME_LG2,
	.meaning = UINT64_MAX,
	.view = plain_view,
};

void tables_watch(struct tables *tables, struct frame *frame)
{
	if (!frame->node.watch)
		frame->node.watch = ++tables->spaces;
	if (frame->node.role)
		return;
	frame->node.role = &watched_role;
	tables->shape++;
}

struct frame *tables_root(struct tables *tables, pa_t pa, const struct table_role *role,
			  unsigned level, struct err *err)
{
	struct frame *frame = tables_root_part(tables, pa, role, level, 0, 0);

	if (!frame)
		err_no_memory(err, "a root table");
	return frame;
}

struct frame *tables_root_part(struct tables *tables, pa_t pa, const struct table_role *role,
			       unsigned level, unsigned part, uint32_t space)
{
	struct frame *frame = memory_make(tables->memory, pa);
	bool was_pinned;
	int failed;

	if (!frame)
		return NULL;
	leave_role(tables, frame, role, level);
	was_pinned = frame->node.pinned;
	frame->node.pinned = true; /* tables below that point back to it leave it its role */
	failed = take_role(tables, frame, role, level, part, 0);
	frame->node.pinned = was_pinned;
	if (failed)
		return NULL;
	if (!frame->node.space)
		frame->node.space = space;
	pin(tables, frame);
	return frame;
}

void tables_free(struct tables *tables, pa_t pa, uint64_t event)
{
	struct frame *frame = memory_frame(tables->memory, pa);

	if (!frame || frame->node.freed)
		return;
	frame->node.freed = frame->node.was_freed = event + 1;
	tables->freed_linked |= frame->node.n_links != 0;
}

void tables_reused(struct tables *tables, pa_t pa)
{
	struct frame *frame = memory_frame(tables->memory, pa);

	if (frame)
		frame->node.freed = 0;
}
