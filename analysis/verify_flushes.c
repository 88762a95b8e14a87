/* What an invalidation removed, seen by looking before and after; DMAs that it did not wait for. */
#include <stdlib.h>

#include "analysis/verify_private.h"

struct flying {
	uint64_t time_ns, event;
	iova_t iova;
	pa_t pa;
	uint32_t domain;
};

/* After the look that follows X. */
void flushes_executed(struct verifier *verifier, const struct inval_op *op)
{
	uint64_t removed = 0, agreed = 0, doubtful = 0;
	struct finding finding = finding_at(FINDING_FLUSH_EXCESS, 0, op->event, op->time_ns);

	if (op->scope.what == INVAL_DEVICE_CONFIG || op->scope.what == INVAL_DEVICE_ATC)
		return;
	for (size_t i = 0; i < verifier->copies.before.n; i++) {
		const struct watched *gone = LIST_AT(&verifier->copies.before, struct watched, i);

		if (!gone->gone || gone->unit != op->unit ||
		    gone->copy.structure == STRUCTURE_CONFIG)
			continue;
		doubtful += gone->doubt != 0;
		removed += gone->copy.structure == STRUCTURE_TLB;
		agreed += gone->copy.structure == STRUCTURE_TLB && !gone->doubt;
	}
	finding.uncertain = verify_lost_since(verifier, verifier->last_flush);
	verifier->last_flush = op->event;
	finding.count = removed;
	if (!doubtful && !opened_outstanding(verifier, op))
		derive(verifier, &finding);
	finding.kind = FINDING_COLLATERAL;
	finding.count = agreed;
	if (agreed)
		derive(verifier, &finding);
}

void flushes_dma(struct verifier *verifier, uint64_t event, const struct dma_request *request,
		 const struct dma_result *result, uint32_t domain)
{
	struct flying *dma;

	if (!replay_machine(verifier->replay)->run.flight || result->outcome != OUTCOME_OK)
		return;
	dma = list_add(&verifier->flights, sizeof *dma);
	if (!dma) {
		verify_fails(verifier);
		return;
	}
	*dma = (struct flying){ request->time_ns, event, request->iova, result->pa, domain };
}

/* D of an invalidation that does not drain: what is still on its way to a page that it was for. */
void flushes_done(struct verifier *verifier, const struct inval_op *op)
{
	uint64_t flight = replay_machine(verifier->replay)->run.flight;
	size_t kept = 0;

	for (size_t i = 0; i < verifier->flights.n; i++) {
		const struct flying *dma = LIST_AT(&verifier->flights, struct flying, i);

		if (dma->time_ns + flight > replay_now_ns(verifier->replay))
			*LIST_AT(&verifier->flights, struct flying, kept++) = *dma;
	}
	verifier->flights.n = kept;
	for (size_t i = 0; i < kept && !op->failed && !op->scope.drain; i++) {
		const struct flying *dma = LIST_AT(&verifier->flights, struct flying, i);
		const struct domain *domain = replay_domain(verifier->replay, dma->domain);
		uint32_t at = opened_find(verifier, dma->domain, dma->iova, dma->pa);
		const struct opened *window;
		struct finding finding = finding_at(FINDING_IN_FLIGHT, 0, dma->event, dma->time_ns);

		if (at == NO_PIECE || dma->event > op->event ||
		    (op->scope.what != INVAL_ALL && op->scope.tag != domain->tag) ||
		    dma->iova < op->scope.first || dma->iova > op->scope.last)
			continue;
		window = LIST_AT(&verifier->windows, struct opened,
				 LIST_AT(&verifier->pieces, struct piece, at)->window);
		if (window->seq > op->seq)
			continue;
		finding.iova = dma->iova;
		finding.pa = dma->pa;
		finding.lag_ns = dma->time_ns + flight - op->done_ns;
		finding.uncertain = verify_lost_since(
			verifier, window->event < dma->event ? window->event : dma->event);
		derive(verifier, &finding);
	}
}
