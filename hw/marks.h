/*
 * Calls that set check bits. `make check` builds with MARK_OMIT and leaves out one at a time, by
 * its number in the environment: a comparison with truth must then fail (tests/marks).
 *
 * A model's own numbers are in its private header.
 */
#ifndef IOMMUSIM_HW_MARKS_H
#define IOMMUSIM_HW_MARKS_H

#ifdef MARK_OMIT
extern int mark_omit;
#define MARK(site) ((int)(site) != mark_omit)
#else
#define MARK(site) 1
#endif

#endif
