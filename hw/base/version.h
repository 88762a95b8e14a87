/* The version of the program, as --version prints it and native recordings name their writer. */
#ifndef IOMMUSIM_HW_BASE_VERSION_H
#define IOMMUSIM_HW_BASE_VERSION_H

#define IOMMUSIM_VERSION "0.1.0"

#endif
