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
