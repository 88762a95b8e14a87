# JSON Lines hold the same as YAML; differences and mutations as JSON.
cat >one.jsonl <<'END'
{"schema": "iommusim-vectors/1", "iommu": "vtd"}
{"id": "one", "config": {"rtaddr": "0x1000", "cap": "0x8d2078c106f0466", "ecap": "0xf020df", "haw": 46}, "memory": {"0x1000": "0x2001"}, "request": {"sid": "0x10", "iova": "0x4abc"}, "expect": {"result": "fault", "fault": 2, "logged": true}}

{"id": "two", "config": {"rtaddr": "0x1000"}, "steps": [{"request": {"sid": 16, "iova": 0}, "expect": {"result": "ok", "pa": 0, "asid": 1}}, {"cmd": [0, 0]}, {"request": {"sid": 16, "iova": 0}, "expect": {"result": "ok"}}]}
{"id": "three", "config": {"mode": "scalable"}, "steps": [{"page_request": {}}]}
{"id": "four", "config": {}, "opts": {"vtd.walk.entries": 0}, "steps": [{"page_request": {}}]}
{"id": "five", "memory_errors": [{"addr": "0x1000", "size": 8}], "request": {"sid": 0, "iova": 0}, "expect": {"result": "any"}}
END
expect_status 1 iommusim vectors one.jsonl
expect_status 1 iommusim vectors --json --mutate --count one.jsonl
zstd -q one.jsonl
expect_status 1 iommusim vectors one.jsonl.zst | tail -n 1
# A vector that says nothing exact lets its mutations pass only where it expects nothing.
sed -n 1,2p one.jsonl | sed 's/"fault": 2, //' >loose.jsonl
expect_status 0 iommusim vectors --mutate loose.jsonl
