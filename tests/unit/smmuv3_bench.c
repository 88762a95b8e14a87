#include "tests/unit/smmuv3_bench.h"

#include <criterion/criterion.h>

#include "sim/machine.h"

static const pa_t stream_table = 0x80000000, command_queue = 0xf0000000, event_queue = 0xf1000000,
		  pri_queue = 0xf2000000;
enum { STREAMS_LOG2 = 8, QUEUE_LOG2 = 7 };

static void on_fault(void *self, const struct fault_report *report)
{
	struct bench *bench = self;

	bench->fault = *report;
	bench->faulted = true;
	bench->lost += report->fate == FAULT_LOST;
}

static void on_used(void *self, const struct checked_use *use)
{
	struct bench *bench = self;

	bench->use = *use;
	bench->used = true;
	bench->multi_hits += use->matches > 1;
	bench->stale_uses += use->verdict == VERDICT_STALE_USE;
}

void bench_defaults(struct smmuv3_config *config)
{
	struct machine *machine = NULL;

	cr_assert(machine_create("smmuv3", &machine, NULL) == 0);
	*config = *(struct smmuv3_config *)machine->model_config;
	machine_destroy(machine);
}

static void start(struct bench *bench)
{
	bench_reg_write(bench, SMMU_STRTAB_BASE, stream_table);
	bench_reg_write(bench, SMMU_STRTAB_BASE_CFG, STREAMS_LOG2);
	bench_reg_write(bench, SMMU_CMDQ_BASE, command_queue | QUEUE_LOG2);
	bench_reg_write(bench, SMMU_EVENTQ_BASE, event_queue | QUEUE_LOG2);
	bench_reg_write(bench, SMMU_PRIQ_BASE, pri_queue | QUEUE_LOG2);
	bench_reg_write(bench, SMMU_IRQ_CTRL, 7);
	bench_reg_write(bench, SMMU_CR0, 0xf);
}

void bench_open(struct bench *bench, const struct smmuv3_config *config)
{
	*bench = (struct bench){ .config = *config, .observer = iommu_observer_silent };
	bench->observer.self = bench;
	bench->observer.used = on_used;
	bench->observer.fault = on_fault;
	cr_assert(memory_create(1ull << config->oas, &bench->memory, NULL) == 0);
	cr_assert(tables_create(bench->memory, &bench->tables, NULL) == 0);
	cr_assert(smmuv3_model.create(config, 1, bench->tables, &bench->observer, &bench->iommu,
				      NULL) == 0);
	start(bench);
}

void bench_close(struct bench *bench)
{
	smmuv3_model.destroy(bench->iommu);
	tables_destroy(bench->tables);
	memory_destroy(bench->memory);
}

void bench_write_word(struct bench *bench, pa_t pa, uint64_t value)
{
	/* where the unit does not snoop, most words stay in a CPU's cache */
	if (bench->memory->view && (pa >> 3 ^ bench->event) % 4)
		cr_assert(memory_view_hold(bench->memory, pa, 1, value, 0, bench->event) == 0);
	cr_assert(tables_store(bench->tables, pa, 1, value, 0, NULL) == 0);
	smmuv3_model.tables_changed(bench->iommu, bench->event, bench->tables->changes,
				    bench->tables->n_changes);
}

uint64_t bench_word(const struct bench *bench, pa_t pa)
{
	uint64_t value = 0;

	cr_assert(memory_read(bench->memory, pa, &value));
	return value;
}

uint32_t bench_device(struct bench *bench, uint32_t sid)
{
	static const struct device_tlb tlb = { .sets = 8, .ways = 8, .dma = 1 };
	uint32_t handle;

	for (uint32_t i = 0; i < bench->n_devices; i++)
		if (bench->sids[i] == sid)
			return i;
	cr_assert(smmuv3_model.add_device(bench->iommu, sid, &tlb, &handle, NULL) == 0);
	cr_assert_eq(handle, bench->n_devices);
	bench->sids[bench->n_devices++] = sid;
	return handle;
}

struct dma_result bench_translate(struct bench *bench, const struct dma_request *request)
{
	struct dma_result result;

	bench->faulted = bench->used = false;
	bench->event++;
	cr_assert_eq(smmuv3_model.translate(bench->iommu, bench->event, request, &result, 1), 1);
	return result;
}

uint64_t bench_reg(struct bench *bench, uint64_t offset)
{
	uint64_t value = 0;

	cr_assert(smmuv3_model.reg_read(bench->iommu, offset, 4, &value));
	return value;
}

void bench_reg_write(struct bench *bench, uint64_t offset, uint64_t value)
{
	cr_assert(smmuv3_model.reg_write(bench->iommu, ++bench->event, offset, value, 8));
}

bool bench_command(struct bench *bench, const struct smmuv3_command *command,
		   struct inval_report *report)
{
	struct native_command native;

	cr_assert(smmuv3_pack(command, &native));
	return smmuv3_model.execute(bench->iommu, ++bench->event, &native, report, NULL) == 0;
}
