# A session: state stays from line to line, a wrong line is answered and the next one goes on.
cat >good.jsonl <<'END'
{"config": {"rtaddr": "0x1000", "cap": "0x8d2078c106f0466", "ecap": "0xf020df", "haw": 46}}
{"memory": {"0x1000": "0x2001", "0x2100": "0x10001", "0x2108": "0x502", "0x10008": "0x11003"}}
{"memory": {"0x11010": "0x12003", "0x12018": "0x13003", "0x13020": "0x12345003"}}
{"id": "miss", "request": {"sid": "0x10", "iova": "0x8080604abc"}}
{"id": "hit", "request": {"sid": "0x10", "iova": "0x8080604ab8"}, "expect": {"result": "ok", "pa": "0x12345ab8"}}
{"memory": {"0x13020": 0}}
{"id": "stale", "request": {"sid": "0x10", "iova": "0x8080604abc"}}
{"cmd": ["0x500f2", "0x8080604000"]}
{"id": "fault", "request": {"sid": "0x10", "iova": "0x8080604abc", "access": "write"}}
{"read": {"name": "FSTS"}}
{"read": {"offset": "0x220", "size": 8}}
{"load": "0x12018"}
{"reg": {"offset": "0x22c", "size": 4, "value": "0x80000000"}}
{"cmd": [["0xd2", 0], ["0x12", 0]]}
{"cmd": [2, 0]}
{"expect": {"registers": {"FSTS": "0x10"}}}
END
expect_status 0 iommusim vectors --iommu vtd - <good.jsonl
cat >bad.jsonl <<'END'
{"request": {"sid": "0x10", "iova": "0x1000"}}
{"request": {"sid": "0x10", "iova": "0x1000"}
{"request": {"sid": "0x10", "iovs": "0x1000"}}
{"request": {"sid": "0x12345", "iova": "0x1000"}}
[1, 2]
nonsense

{"config": {"haw": 99}}
{"config": {"rtaddr": "0x1000", "ram_limit": "0x100000"}}
{"memory": {"0x200000": 1}}
{"memory": {"0x1000": 1, "0x1001": 1}}
{"load": "0x200000"}
{"read": {"name": "WARP"}}
{"reg": {"offset": "0xfff8", "value": 1}}
{"reg": {"offset": 3, "value": 1}}
{"cmd": [1, 2, 3, 4, 5]}
{"page_request": {}}
{"id": "nothing"}
{"id": "still here", "request": {"sid": 1, "iova": 0}, "expect": {"result": "ok"}}
END
expect_status 2 iommusim vectors --iommu vtd - <bad.jsonl
printf '{"load": "\377"}\n' | expect_status 2 iommusim vectors --iommu vtd -
head -c 2000000 /dev/zero | tr '\0' x >long.jsonl
printf '\n{"load": 0}\n' >>long.jsonl
expect_status 2 iommusim vectors --iommu vtd - <long.jsonl
echo '{"request": {"sid": 1, "iova": 0}, "expect": {"result": "fault"}}' |
	expect_status 1 iommusim vectors --iommu vtd -
