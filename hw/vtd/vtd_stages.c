/*
 * Walks of one and of two stages with their accessed and dirty bits: specification 3.6 to 3.8.
 *
 * The bits are written level by level, from the top on, as far as a walk comes; those of a level
 * that refuses the request and of what lies below stay as they are. A pass that only reads
 * (truth) finds the same faults and writes nothing.
 */
#include "hw/vtd/vtd_private.h"

#include <stdlib.h>

struct pass {
	const struct vtd_context *context;
	const struct dma_request *request;
	struct vtd *writer;	  /* NULL: nothing is written */
	struct memory_view *view; /* that the walk read through, or NULL */
	bool granted;		  /* what the walk alone gives is an address */
	unsigned perm;		  /* what the result grants */
	bool flush;		  /* a zero-length read that no missing R refuses (CAP.ZLR) */
	unsigned lowest;	  /* of the tables whose way there has its accessed bits set */
};

static const struct pt_format first_format = { .granule_lg2 = 12,
					       .index_bits = 9,
					       .decode = vtd_fs_decode };
static const struct pt_format second_format = { .granule_lg2 = 12,
						.index_bits = 9,
						.decode = vtd_ss_decode };

/* Index of the table word that a walk read at a level. */
static unsigned index_at(iova_t input, unsigned level)
{
	return (unsigned)bits(input, 12 + 9 * level + 8, 12 + 9 * level);
}

static void set_word(const struct pass *pass, struct frame *frame, unsigned index, uint64_t raw)
{
	if (!pass->writer)
		return;
	if (frame_set(frame, index, raw))
		abort(); /* no memory for the words of a frame */
	pass->writer->count.state_writes++;
	pass->writer->tables->hardware_writes++;
}

/* Whether the page's rights will include writing for this request. */
static bool wants_dirty(const struct pass *pass)
{
	return (pass->request->access & ACCESS_WRITE) &&
	       (pass->request->type != DMA_TRANSLATION_REQUEST || (pass->perm & TLB_WRITE));
}

/*
 * Bits of a second-stage walk made for `access`; done: it allows that access to its page, so the
 * leaf is used too. Returns a reason, 0: none.
 */
static unsigned touch_second(struct pass *pass, const struct pt_walk *walk, iova_t input,
			     unsigned access, bool done)
{
	if (!pass->context->second_stage_ad)
		return 0;
	for (unsigned level = walk->start;; level--) {
		bool leaf = level == walk->level;
		uint64_t raw, due = 1ull << VTD_SS_ACCESSED;
		unsigned index = index_at(input, level);

		if (leaf && (walk->status != PT_OK || !done))
			return 0;
		raw = pt_word(pass->view, walk->tables[level], index);
		if (access & ~(walk->perms[level] & vtd_ss_decode(raw, level).perm) &
		    (TLB_READ | TLB_WRITE))
			return 0; /* refused here */
		due |= leaf && (access & TLB_WRITE) ? 1ull << VTD_SS_DIRTY : 0;
		if (due & ~raw) {
			if (!pass->context->snooped)
				return VTD_SECOND_STATE_NOT_SNOOPED;
			set_word(pass, walk->tables[level], index, raw | due);
		}
		if (leaf)
			return 0;
		pass->lowest = level - 1;
	}
}

/* An update of a first-stage entry, in memory that the second stage maps. */
static unsigned write_first(struct pass *pass, const struct pt_walk *walk,
			    const struct pt_nested *nested, unsigned level, unsigned index,
			    uint64_t raw)
{
	unsigned refused = 0;

	if (nested && !(nested->tables[level].perm & TLB_WRITE))
		return VTD_NESTED_STATE_DENIED;
	if (!pass->context->snooped)
		return VTD_FIRST_STATE_NOT_SNOOPED;
	if (nested)
		refused = touch_second(pass, &nested->tables[level], nested->table_ipa[level],
				       TLB_WRITE, true);
	if (!refused)
		set_word(pass, walk->tables[level], index, raw);
	return refused;
}

/* Bits of the first-stage entry of one level. *on: the walk goes on below it. */
static unsigned touch_first_entry(struct pass *pass, const struct pt_walk *walk,
				  const struct pt_nested *nested, unsigned level, bool *on)
{
	unsigned index = index_at(pass->request->iova, level), perm;
	bool leaf = level == walk->level;
	uint64_t raw, due = 1ull << VTD_FS_ACCESSED;

	*on = false;
	if (leaf && (walk->status != PT_OK || !pass->granted))
		return 0;
	raw = pt_word(pass->view, walk->tables[level], index);
	perm = walk->perms[level] & vtd_fs_decode(raw, level).perm;
	/* U/S of a leaf decides about SMEP; above it the bit may still be lost. */
	if (vtd_first_denied(pass->request, pass->context,
			     !leaf && pass->request->privileged ? perm & ~(unsigned)TLB_USER
								: perm))
		return 0;
	*on = !leaf;
	due |= pass->context->extended ? 1ull << VTD_FS_EXTENDED : 0;
	due |= leaf && wants_dirty(pass) ? 1ull << VTD_FS_DIRTY : 0;
	if (!(due & ~raw))
		return 0;
	return write_first(pass, walk, nested, level, index, raw | due);
}

/* nested: NULL without a second stage. */
static unsigned touch_first(struct pass *pass, const struct pt_walk *walk,
			    const struct pt_nested *nested)
{
	unsigned refused = 0;
	bool on = true;

	for (unsigned level = walk->start; on && !refused; level--) {
		bool found = !nested || level > walk->level || nested->end == NESTED_FIRST ||
			     nested->output;

		if (!found && nested->end == NESTED_WIDE)
			return 0; /* no table of the second stage was read for it */
		if (nested)
			refused = touch_second(pass, &nested->tables[level],
					       nested->table_ipa[level], TLB_READ, found);
		if (refused || !found)
			return refused;
		refused = touch_first_entry(pass, walk, nested, level, &on);
		pass->lowest = on && !refused ? level - 1 : level;
	}
	if (nested && pass->granted && !refused)
		refused = touch_second(pass, &nested->leaf, nested->ipa,
				       wants_dirty(pass) ? (unsigned)TLB_WRITE
				       : pass->flush	 ? 0u
							 : TLB_READ,
				       true);
	return refused;
}

/* Whether the dirty bits that a write to the page needs are set. */
static bool is_dirty(const struct pass *pass, const struct pt_walk *walk,
		     const struct pt_nested *nested)
{
	const struct vtd_context *context = pass->context;
	const struct pt_walk *second = nested ? &nested->leaf : walk;
	iova_t input = pass->request->iova;

	if (context->input_bits &&
	    !bit(pt_word(pass->view, walk->tables[walk->level], index_at(input, walk->level)),
		 VTD_FS_DIRTY))
		return false;
	if (!context->second_stage_ad)
		return true;
	return bit(pt_word(pass->view, second->tables[second->level],
			   index_at(nested ? nested->ipa : input, second->level)),
		   VTD_SS_DIRTY);
}

/* ---- two stages -------------------------------------------------------------------------- */

/* 2.3 steps 23 to 26: what the second stage refused. */
static unsigned second_fault(const struct vtd_context *context, const struct pt_walk *walk,
			     const struct pt_nested *nested)
{
	const struct pt_walk *second = pt_nested_last(nested, walk);

	if (nested->end == NESTED_WIDE)
		return nested->output ? VTD_SECOND_TOO_WIDE : VTD_NESTED_TOO_WIDE;
	switch (second->status) {
	case PT_UNREADABLE:
		return second->level == context->second_top ? VTD_SECOND_TOP_UNREADABLE
							    : VTD_SECOND_UNREADABLE;
	case PT_RESERVED:
		return VTD_SECOND_RESERVED;
	case PT_OK:
		break;
	case PT_NOT_PRESENT:
		return VTD_SECOND_NOT_PRESENT;
	}
	if (!(second->perm & (TLB_READ | TLB_WRITE)))
		return VTD_SECOND_NOT_PRESENT;
	return walk->level == context->top ? VTD_NESTED_TOP_DENIED : VTD_NESTED_ENTRY_DENIED;
}

/* U/S and XD come before the second stage's refusal of the output, R and W after it. */
static unsigned nested_fault(const struct dma_request *request, const struct vtd_context *context,
			     const struct pt_walk *walk, const struct pt_nested *nested)
{
	struct dma_request reading = *request;
	unsigned fault = 0;

	reading.access &= (uint8_t)~ACCESS_WRITE;
	if (nested->output)
		fault = vtd_first_denied(&reading, context, walk->perm);
	if (!fault && nested->end != NESTED_FIRST)
		fault = second_fault(context, walk, nested);
	if (!fault && nested->output && !(nested->leaf.perm & (TLB_READ | TLB_WRITE)))
		fault = VTD_SECOND_NOT_PRESENT;
	/* what the second stage maps without W, whatever the first stage lets through */
	if (!fault && nested->output && (request->access & ACCESS_WRITE) &&
	    request->type != DMA_TRANSLATION_REQUEST && nested->leaf.perm & TLB_READ &&
	    !(nested->leaf.perm & TLB_WRITE))
		fault = VTD_SCALABLE_WRITE_DENIED;
	return fault;
}

static void nested_result(const struct vtd *vtd, const struct dma_request *request,
			  const struct vtd_context *context, const struct pt_walk *walk,
			  const struct pt_nested *nested, struct dma_result *result)
{
	unsigned fault = nested_fault(request, context, walk, nested);

	if (fault) {
		vtd_refuse(request, fault, result);
		return;
	}
	vtd_walk_result(vtd, request, context, walk, result);
	/* what only the first stage refuses, but not to this request */
	if (request->type == DMA_TRANSLATION_REQUEST && request->privileged &&
	    !context->write_protect && result->outcome == OUTCOME_OK && result->pa != NO_PA)
		result->perm |= (uint8_t)(request->access & nested->leaf.perm & TLB_WRITE);
}

/* First-stage tables behind a second stage: the graph does not know where they lie, so their
 * frames are watched, and any change gives the tag a new generation. */
static void watch_tables(struct vtd *vtd, const struct vtd_context *context,
			 const struct pt_walk *walk, const struct pt_nested *nested)
{
	unsigned lowest = walk->level;

	if (nested->end != NESTED_FIRST && !nested->output)
		lowest++; /* the table of that level was not reached */
	for (unsigned level = lowest; level <= walk->start; level++) {
		struct frame *frame = walk->tables[level];

		if (walk->status == PT_UNREADABLE && level == walk->level)
			continue;
		tables_watch(vtd->tables, frame);
		vtd_space_know(vtd, frame->node.watch, context->tag, UINT64_MAX);
	}
}

/* ---- all of them ------------------------------------------------------------------------- */

struct pt_root vtd_top(const struct vtd *vtd, const struct vtd_context *context)
{
	return (struct pt_root){ .table = context->root,
				 .frame = context->frame,
				 .level = context->top,
				 .perm = context->perm,
				 .reserved = context->input_bits
						     ? vtd->first_reserved[context->no_execute]
						     : vtd->reserved };
}

static void walk_nested(const struct vtd *vtd, const struct vtd_context *context,
			const struct pt_root *root, iova_t iova, struct pt_walk *walk,
			struct pt_nested *nested)
{
	static const struct pt_format *const formats[] = { &first_format, &second_format };
	struct pt_root roots[] = { *root,
				   { .table = context->second_root,
				     .frame = context->second_frame,
				     .level = context->second_top,
				     .perm = TLB_PERM,
				     .reserved = vtd->reserved,
				     .view = root->view } };

	pt_nested_walk(formats, vtd->memory, roots, context->second_last, iova, walk, nested);
}

/* What a request does with a page: a translation request, no more than it is granted. */
static unsigned granted_access(const struct pass *pass, const struct pt_walk *walk)
{
	const struct dma_request *request = pass->request;

	if (pass->flush)
		return 0;
	if (request->type != DMA_TRANSLATION_REQUEST)
		return request->access;
	return walk->status == PT_OK ? request->access & walk->perm : 0u;
}

/* Accessed and dirty bits, where the tables have them, and what a walk cache may keep. */
static void update_state(struct pass *pass, struct pt_walk *walk, const struct pt_nested *nested,
			 struct dma_result *result)
{
	const struct dma_request *request = pass->request;
	unsigned refused;

	pass->granted = result->outcome == OUTCOME_OK && result->pa != NO_PA;
	pass->perm = result->perm;
	pass->lowest = walk->start;
	walk->dirties = pass->granted && wants_dirty(pass) && !is_dirty(pass, walk, nested);
	if (pass->context->input_bits)
		refused = touch_first(pass, walk, nested);
	else
		refused = touch_second(pass, walk, request->iova, granted_access(pass, walk),
				       pass->granted);
	if (refused)
		vtd_refuse(request, refused, result);
	else if (pass->granted && !wants_dirty(pass) && !is_dirty(pass, walk, nested))
		walk->flags |= TLB_CLEAN;
	walk->settled = pass->granted && !refused;
	if (pass->lowest > walk->lowest)
		walk->lowest = (uint8_t)pass->lowest;
}

static void finish(struct pass *pass, struct pt_walk *walk, const struct pt_nested *nested,
		   struct dma_result *result)
{
	const struct vtd_context *context = pass->context;

	walk->lowest = vtd_lowest(walk);
	walk->settled = true;
	walk->dirties = false;
	if (walk->status == PT_OK)
		walk->flags |= context->entry_flags;
	if (context->input_bits || context->second_stage_ad)
		update_state(pass, walk, nested, result);
	if (result->outcome == OUTCOME_OK && result->pa != NO_PA)
		result->flags = walk->flags & TLB_SNOOP;
}

void vtd_walk(const struct vtd *vtd, const struct dma_request *request,
	      const struct vtd_context *context, const struct pt_root *root, struct vtd *writer,
	      struct pt_walk *walk, struct dma_result *result)
{
	struct pass pass = { .context = context,
			     .request = request,
			     .writer = writer,
			     .view = root->view,
			     .flush = request->len == 0 && !(request->access & ACCESS_WRITE) &&
				      vtd->config.zero_length_read };

	if (context->stages == STAGES_NESTED) {
		struct pt_nested nested;

		walk_nested(vtd, context, root, request->iova, walk, &nested);
		nested_result(vtd, request, context, walk, &nested, result);
		if (writer)
			watch_tables(writer, context, walk, &nested);
		finish(&pass, walk, &nested, result);
		return;
	}
	pt_walk(context->input_bits ? &first_format : &second_format, vtd->memory, root,
		request->iova, walk);
	vtd_walk_result(vtd, request, context, walk, result);
	finish(&pass, walk, NULL, result);
}
