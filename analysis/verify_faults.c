/* Episodes of lost fault records, and faults that the hardware's rules hide. */
#include "analysis/verify_private.h"

struct losing { /* one unit's episode */
	bool active, acknowledged;
	struct finding finding;
};

static struct losing *losing_of(struct verifier *verifier)
{
	uint32_t unit = replay_unit_at_hand(verifier->replay);

	while (verifier->episodes.n <= unit)
		if (!list_add(&verifier->episodes, sizeof(struct losing))) {
			verify_fails(verifier);
			return NULL;
		}
	return LIST_AT(&verifier->episodes, struct losing, unit);
}

static void tell(struct verifier *verifier, struct losing *losing, uint64_t end_ns)
{
	losing->finding.end_ns = end_ns;
	losing->finding.uncertain = verify_lost_since(verifier, losing->finding.event);
	derive(verifier, &losing->finding);
	*losing = (struct losing){ 0 };
}

void faults_reported(struct verifier *verifier, const struct fault_report *report)
{
	struct losing *losing = losing_of(verifier);
	bool collapsed = report->fate == FAULT_COLLAPSED;
	struct finding finding =
		finding_at(FINDING_MASKED, collapsed ? MASKED_COLLAPSED : MASKED_FPD, report->event,
			   report->request->time_ns);

	finding.iova = report->request->iova;
	if (collapsed || report->fate == FAULT_DISABLED)
		derive(verifier, &finding);
	if (losing && report->fate == FAULT_LOST) {
		if (!losing->active)
			losing->finding = finding_at(FINDING_OVERFLOW, 0, report->event,
						     report->request->time_ns);
		losing->active = true;
		losing->acknowledged = false;
		losing->finding.count++;
	} else if (losing && report->fate == FAULT_RECORDED && losing->active &&
		   losing->acknowledged) {
		tell(verifier, losing, report->request->time_ns);
	}
}

void faults_acknowledged(struct verifier *verifier, bool overflow)
{
	struct losing *losing = losing_of(verifier);

	if (!losing || !overflow || !losing->active)
		return;
	if (losing->finding.lag_ns == FINDING_NONE)
		losing->finding.lag_ns = replay_now_ns(verifier->replay) - losing->finding.time_ns;
	losing->acknowledged = true;
}

void faults_finish(struct verifier *verifier)
{
	for (size_t i = 0; i < verifier->episodes.n; i++)
		if (LIST_AT(&verifier->episodes, struct losing, i)->active)
			tell(verifier, LIST_AT(&verifier->episodes, struct losing, i),
			     FINDING_NONE);
}
