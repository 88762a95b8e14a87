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
# SMMUv3: a stall, its record and the command that ends it; the queue in memory; a device that is gone.
cat >smmu.jsonl <<'END'
{"config": {"STRTAB_BASE": "0x80000000", "LOG2SIZE": 8, "idr": {"OAS": 40}, "CR2": {"RECINVSID": 1}}, "opts": {"walk_cache": "off"}}
{"memory": {"0x80000400": "0x8010000b", "0x80000408": "0x1000000000d4", "0x80100000": "0x00017202c0003519", "0x80100008": "0x80200000"}}
{"request": {"sid": "0x10", "iova": "0x3000"}, "expect": {"result": "stalled", "device": "none", "fault_name": "F_TRANSLATION", "stag": "T", "fault_level": 1}}
{"map": {"iova": "0x3000", "pa": "0x900003000", "asid": 1}}
{"cmd": ["0x0000001000001044", "0x0"], "stag": "T"}
{"expect": {"completed": {"sid": "0x10", "iova": "0x3000", "pa": "0x900003000", "device": "ok"}, "queue": {"name": "EVENTQ", "records": 1, "last_record": {"name": "F_TRANSLATION", "stall": 1, "rnw": 1}}}}
{"request": {"sid": "0x1000", "iova": "0x3000"}, "expect": {"fault_name": "C_BAD_STREAMID", "logged": true}}
{"ats_timeout": {"sid": "0x10"}}
{"cmd": [["0x0000001000000040", "0x34"], ["0x46", 0]], "tail": 2}
{"expect": {"registers": {"CMDQ_CONS": "0x3000001", "CMDQ_CONS.ERR": 3, "GERROR.CMDQ_ERR": "active", "GERROR.EVENTQ_ABT_ERR": "inactive"}}}
{"reg": {"name": "GERRORN", "value": 1}}
{"expect": {"registers": {"CMDQ_CONS.RD": 2, "CR0": 15, "IDR5": "0x2000072"}}}
{"encode": "CMD_TLBI_S2_IPA vmid=9 ipa=0x50005000 leaf=1 (one page)", "expect": {"cmd": ["0x90000002a", "0x50005001"]}}
{"page_request": {"sid": "0x10", "iova": "0x5000", "pasid": 3, "prgi": 7, "last": 1, "rw": "RW"}, "expect": {"answer": "queued", "queue": {"name": "PRIQ", "last_record": {"sid": "0x10", "pasid": 3, "prgi": 7, "read": 1, "write": 1, "exec": 0, "iova": "0x5000"}}}}
END
expect_status 0 iommusim vectors --iommu smmuv3 - <smmu.jsonl
