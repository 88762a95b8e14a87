/* Only in builds that prove the marks: the environment names the call to leave out. */
#include "hw/vtd/vtd_private.h"

#ifdef MARK_OMIT
#include <stdlib.h>

int mark_omit;

static __attribute__((constructor)) void read_mark_omit(void)
{
	const char *text = getenv("IOMMUSIM_MARK_OMIT");

	mark_omit = text ? atoi(text) : 0;
}
#endif
