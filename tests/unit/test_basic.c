/* A model made of hw/basic.h alone: every device's tables are second-stage tables at the root. */
#include <criterion/criterion.h>
#include <string.h>

#include "hw/basic.h"
#include "hw/pt/vtd_ss.h"

enum { FAULT = 3 };
static const pa_t root = 0x100000, page = 0x5000000;

static void truth(struct iommu *iommu, const struct dma_request *request, struct dma_result *result)
{
	static const uint64_t reserved[2][PT_LEVELS];
	struct basic *basic = basic_of(iommu);
	struct pt_root top = { .table = basic->root,
			       .frame = memory_frame(basic->memory, basic->root),
			       .level = 1,
			       .perm = TLB_PERM,
			       .reserved = reserved };
	struct pt_walk walk;

	vtd_ss_walk(basic->memory, &top, request->iova, &walk);
	if (!basic_granted(request, &walk, result))
		basic_refuse(FAULT, result);
}

static const struct fault_row faults[] = { { FAULT, "no page", true }, { 0, NULL, false } };
static const struct basic_numbers numbers = { .format = &vtd_ss,
					      .levels = 2,
					      .address_bits = 30,
					      .pa_bits = 40,
					      .largest_leaf = 1,
					      .tags = 16,
					      .role = &vtd_ss_role,
					      .role_level = 1,
					      .config_bytes = 4096 };
static const struct iommu_model plain = {
	.name = "plain", IOMMU_BASIC, .truth = truth, .faults = faults, .basic = &numbers
};

struct scene {
	struct memory *memory;
	struct tables *tables;
	struct iommu *iommu;
	struct iommu_observer observer;
	uint32_t device, faults;
};

static void on_fault(void *self, const struct fault_report *report)
{
	((struct scene *)self)->faults += report->code == FAULT;
}

/* The pages at 0x1000, read and write, and 0x2000, read alone; 0x3000 is none. */
static void open_scene(struct scene *scene)
{
	memset(scene, 0, sizeof *scene);
	scene->observer = iommu_observer_silent;
	scene->observer.self = scene;
	scene->observer.fault = on_fault;
	cr_assert(memory_create(1ull << 40, &scene->memory, NULL) == 0);
	cr_assert(tables_create(scene->memory, &scene->tables, NULL) == 0);
	cr_assert(iommu_create(&plain, NULL, 1, scene->tables, &scene->observer, &scene->iommu,
			       NULL) == 0);
	cr_assert(plain.start(scene->iommu, root) == 0);
	cr_assert(plain.add_device(scene->iommu, 8, NULL, &scene->device, NULL) == 0);
	tables_store(scene->tables, root, 1, vtd_ss.table(root + 4096), 0, NULL);
	tables_store(scene->tables, root + 4096 + 8, 1, vtd_ss.leaf(page, 3, 0), 0, NULL);
	tables_store(scene->tables, root + 4096 + 16, 1, vtd_ss.leaf(page + 0x9000, 1, 0), 0, NULL);
}

static void close_scene(struct scene *scene)
{
	plain.destroy(scene->iommu);
	tables_destroy(scene->tables);
	memory_destroy(scene->memory);
}

Test(basic, serves_requests_page_by_page_and_tells_their_faults)
{
	struct scene scene;
	struct dma_request requests[3] = {
		{ .iova = 0x1ff0, .len = 32, .access = ACCESS_READ },
		{ .iova = 0x1ff0, .len = 32, .access = ACCESS_WRITE },
		{ .iova = 0x2ff0, .len = 32, .access = ACCESS_READ },
	};
	struct dma_result results[3];

	open_scene(&scene);
	cr_assert_eq(plain.translate(scene.iommu, 1, requests, results, 3), 3);
	cr_expect_eq(results[0].pa, page + 0xff0, "the first byte's");
	cr_expect_eq(results[0].outcome, OUTCOME_OK);
	cr_expect_eq(results[1].fault, FAULT, "the second page is read alone");
	cr_expect_eq(results[2].fault, FAULT, "there is no third page");
	cr_expect_eq(scene.faults, 2);
	cr_expect(scene.iommu->refused);
	close_scene(&scene);
}

Test(basic, numbers_and_names_are_what_its_rows_say)
{
	struct scene scene;

	open_scene(&scene);
	cr_expect_eq(plain.levels(scene.iommu), 2);
	cr_expect_eq(plain.address_bits(scene.iommu, 2), 30);
	cr_expect(plain.page_supported(scene.iommu, 1) && !plain.page_supported(scene.iommu, 2));
	cr_expect_str_eq(iommu_fault_name(&plain, FAULT), "no page");
	cr_expect_null(iommu_fault_name(&plain, FAULT + 1));
	cr_expect(iommu_fault_is_missing(&plain, FAULT) &&
		  !iommu_fault_is_missing(&plain, FAULT + 1));
	close_scene(&scene);
}
