/* Types of a hypervisor's P2M and what they let devices do: Xen, x86 p2m.h and Arm p2m.h. */
#include <string.h>

#include "sim/replay_private.h"

/* Names as in the sources, without p2m_; all that are not listed grant nothing. */
static const struct {
	const char *name;
	unsigned rights;
} types[] = {
	{ "ram_rw", TLB_READ | TLB_WRITE },
	{ "ram_logdirty", TLB_READ | TLB_WRITE },
	{ "grant_map_rw", TLB_READ | TLB_WRITE },
	{ "map_foreign", TLB_READ | TLB_WRITE },
	{ "mmio_direct", TLB_READ | TLB_WRITE },
	{ "ram_ro", TLB_READ },
	{ "grant_map_ro", TLB_READ },
	/* Arm */
	{ "map_foreign_rw", TLB_READ | TLB_WRITE },
	{ "map_foreign_ro", TLB_READ },
	{ "mmio_direct_dev", TLB_READ | TLB_WRITE },
	{ "mmio_direct_nc", TLB_READ | TLB_WRITE },
	{ "mmio_direct_c", TLB_READ | TLB_WRITE },
	{ "iommu_map_rw", TLB_READ | TLB_WRITE },
	{ "iommu_map_ro", TLB_READ },
};

unsigned p2m_rights(const char *type)
{
	if (!strncmp(type, "p2m_", 4))
		type += 4;
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (!strcmp(types[i].name, type))
			return types[i].rights;
	return 0;
}
