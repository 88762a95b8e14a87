# Files that are wrong: status 2, and the message names file, line, column and what was expected.
wrong() {
	printf '%b' "$1" >wrong.vectors
	expect_status 2 iommusim vectors wrong.vectors
}
head='schema: iommusim-vectors/1\niommu: vtd\nvectors:\n'
wrong ''
wrong '{}\n'
wrong 'schema: iommusim-vectors/9\niommu: vtd\nvectors: []\n'
wrong 'schema: iommusim-vectors/1\nvectors: []\n'
wrong 'schema: iommusim-vectors/1\niommu: vtd\ncases: []\n'
wrong 'schema: iommusim-vectors/1\niommu: vtd\n'
wrong 'schema: iommusim-vectors/1\niommu: warp-drive\nvectors: []\n'
wrong "${head}  - title: no id\n    steps: []\n"
wrong "${head}  - id: both\n    steps: []\n    request: {sid: 1, iova: 0}\n"
wrong "${head}  - id: a\n    requst: {sid: 1, iova: 0}\n"
wrong "${head}  - id: a\n    request: {sid: 1}\n"
wrong "${head}  - id: a\n    request: {sid: 1, iova: 0x1000z}\n"
wrong "${head}  - id: a\n    request: {sid: 1, iova: 0xffe, size: 4}\n"
wrong "${head}  - id: a\n    request: {sid: 1, iova: 0}\n    expect: {result: okay}\n"
wrong "${head}  - id: a\n    request: {sid: 1, iova: 0}\n    expect: {record: [1, two]}\n"
wrong "${head}  - id: a\n    memory: {0x1004: 1}\n    request: {sid: 1, iova: 0}\n"
wrong "${head}  - id: a\n    id: b\n    request: {sid: 1, iova: 0}\n"
wrong "${head}  - id: &anchor a\n    request: {sid: 1, iova: 0}\n"
wrong "${head}  - id: a\n    steps:\n      - memory: {0x1000: 1}\n        cmd: [1]\n"
wrong "${head}  - [[[[[[[[[[[[[1]]]]]]]]]]]]]\n"
wrong "${head}  - id: \"torn\n"
wrong "${head}  - id: \\0377\n"
wrong '{"schema": "iommusim-vectors/1", "iommu": "vtd"}\n{"id": "a", "request": {"sid": 1 "iova": 2}}\n'
wrong '{"schema": "iommusim-vectors/1", "iommu": "vtd"}\n{"id": "a"} {"id": "b"}\n'
wrong '{"schema": "iommusim-vectors/1", "iommu": "vtd"}\n{"id": "torn"}'
# Sizes are bounded.
{ printf "${head}  - id: a\n    title: "; head -c 3000000 /dev/zero | tr '\0' x; echo; } >wrong.vectors
expect_status 2 iommusim vectors wrong.vectors
{ printf "${head}  - id: a\n    memory: {"; seq -f '0x%.0f000: 1,' 1 66000 | tr -d '\n'; printf '}\n    request: {sid: 1, iova: 0}\n'; } >wrong.vectors
expect_status 2 iommusim vectors wrong.vectors
# The command line.
expect_status 2 iommusim vectors nothing-here.yaml
expect_status 2 iommusim vectors --iommu warp-drive wrong.vectors
expect_status 2 iommusim vectors -
expect_status 2 iommusim vectors --iommu vtd --mutate -
# What a model has no word for differs under that name, and says which words there are.
smmu='schema: iommusim-vectors/1\niommu: smmuv3\nvectors:\n'
differs() {
	printf '%b' "$1" >differs.vectors
	expect_status 1 iommusim vectors differs.vectors
}
differs "${smmu}  - id: a\n    config: {SMMUEM: 1}\n    request: {sid: 1, iova: 0}\n"
differs "${smmu}  - id: a\n    config: {idr: {OAS: 47}}\n    request: {sid: 1, iova: 0}\n"
differs "${smmu}  - id: a\n    config: {idr: {DS: 1}}\n    request: {sid: 1, iova: 0}\n"
differs "${smmu}  - id: a\n    config: {FMT: 4}\n    request: {sid: 1, iova: 0}\n"
differs "${smmu}  - id: a\n    opts: {early_retry: on}\n    request: {sid: 1, iova: 0}\n"
differs "${smmu}  - id: a\n    opts: {warp: on}\n    request: {sid: 1, iova: 0}\n"
differs "${smmu}  - id: a\n    opts: {smmuv3.tlb.wais: 3}\n    request: {sid: 1, iova: 0}\n"
differs "${smmu}  - id: a\n    memory_errors: [{addr: 0x1000}]\n    request: {sid: 1, iova: 0}\n"
differs "${smmu}  - id: a\n    memory_errors: [{addr: 0x1000, size: 8, kind: poison}]\n    request: {sid: 1, iova: 0}\n"
steps() {
	differs "${smmu}  - id: a\n    config: {GBPA_ABORT: 1, SMMUEN: 0}\n    steps:\n      - $1\n"
}
steps '{encode: "TLBI_NH_VB vmid=1", expect: {cmd: [0, 0]}}'
steps '{encode: "TLBI_NH_VA va=0x123", expect: {cmd: [0x12, 0]}}'
steps '{encode: "TLBI_NH_VA warp=1", expect: {cmd: [0x12, 0]}}'
steps '{encode: "TLBI_NH_VA vmid=1", expect: {cmd: [0x12, 0]}}'
steps '{cmd: [0x1044, 0], stag: T}'
steps '{cmd: [[0x30, 0, 0]], tail: 1}'
steps '{cmd_fix: {index: 0}}'
steps '{page_request: {sid: 1, iova: 0, prgi: 512}}'
steps '{page_request: {sid: 1, iova: 0, rv: R}}'
steps '{page_request: {sid: 1, iova: 0, last: 1}, expect: {answer: queued}}'
steps '{atc_fill: [{iova: 0}]}'
steps '{expect: {atc: {absent: [0x1000]}}}'
steps '{map: {iova: 0, pa: 0, asid: 1}}'
steps '{invalidation_completion: {sid: 1}}'
steps '{expect: {queue: {name: WARPQ, prod: 0}, completed: {sid: 1}, stalled: {sid: 1}}}'
steps '{expect: {registers: {CMDQ_CONS.RD: 1, GERROR.CMDQ_ERR: active, WARP: 0}}}'
steps '{report: {kind: queue-overflow, queue: EVENTQ, lost: 0}}'
steps '{report: {kind: multi-hit, iova: 0}}'
