# Scalable mode, as QEMU 10 and a kernel log it: first-stage tables through RID_PASID, their flushes by type 6;
# then the second stage under QEMU 7.2, which logs no command of types 6 and 7 and gives faults the reasons of
# legacy mode. Logs are made here, line for line as the programs print them.
guest_head() {
	printf '# tracer: nop\n#\n# entries-in-buffer/entries-written: 1/1   #P:2\n#\n'
}
# 40 rounds of map, access, access, unmap, flush, access; the times of both sides are the same seconds.
logs() {
	awk -v kind="$1" '
	function guest(us, text) { printf "          fio-216     [000] d..1.  %4d.%06d: %s\n", 10, us, text >"guest.txt" }
	function host(us, text) {
		if (kind == "first")
			printf "2026-01-01T00:00:10.%06dZ %s\n", us, text >"host.log"
		else
			printf "77@1767225610.%06d:%s\n", us, text >"host.log"
	}
	function command(us, type, low, high, logged) {
		guest(us, sprintf("qi_submit: %s dmar0: 0x%s 0x%s 0x0 0x0", type, low, high))
		if (logged) {
			host(us + 8, sprintf("vtd_inv_desc invalidate desc type %s high 0x%s low 0x%s", type, high, low))
			host(us + 9, "vtd_inv_desc_wait_sw wait invalidate status write addr 0x101 data 0x2")
		}
	}
	BEGIN {
		first = kind == "first"
		leaf = first ? "67" : "3"
		host(10, "vtd_reg_dmar_root addr 0x101047000 scalable 1")
		command(20, "cc_inv", "1000010031", "0", 1)
		command(40, "pc_inv", "90017", "0", 0)
		if (!first)
			command(60, "p_iotlb_inv", "4100090026", "0", 0)
		for (i = 1; i <= 40; i++) {
			at = 1000 + i * 2000
			page = sprintf("%x", 1048575 - i) "000"
			pa = sprintf("11%04x000", i * 3)
			guest(at, sprintf("map: IOMMU: iova=0x00000000%s - 0x%016x paddr=0x0000000%s size=4096", page, (1048576 - i) * 4096, pa))
			host(at + 100, "vtd_iotlb_cc_hit IOTLB context hit bus 0x0 devfn 0x10 high 0x0 low 0x10104800d gen 1")
			host(at + 101, sprintf("vtd_iotlb_page_update IOTLB page update sid 0x10 iova 0x%s slpte 0x%s%s domain 0x9", page, substr(pa, 1, length(pa) - length(leaf)), leaf))
			host(at + 102, sprintf("vtd_dmar_translate dev 00:02.00 iova 0x%s -> gpa 0x%s mask 0xfff", page, pa))
			host(at + 201, sprintf("vtd_iotlb_page_hit IOTLB page hit sid 0x10 iova 0x%s slpte 0x%s%s domain 0x9", page, substr(pa, 1, length(pa) - length(leaf)), leaf))
			host(at + 202, sprintf("vtd_dmar_translate dev 00:02.00 iova 0x%s -> gpa 0x%s mask 0xfff", page, pa))
			guest(at + 300, sprintf("unmap: IOMMU: iova=0x00000000%s - 0x%016x size=4096 unmapped_size=4096", page, (1048576 - i) * 4096))
			if (i % 10 == 3) {
				host(at + 350, sprintf("vtd_iotlb_page_hit IOTLB page hit sid 0x10 iova 0x%s slpte 0x%s%s domain 0x9", page, substr(pa, 1, length(pa) - length(leaf)), leaf))
				host(at + 351, sprintf("vtd_dmar_translate dev 00:02.00 iova 0x%s -> gpa 0x%s mask 0xfff", page, pa))
			}
			if (first)
				command(at + 500, "p_iotlb_inv", "90036", page, 1)
			else
				command(at + 500, "iotlb_inv", "900f2", page, 1)
			host(at + 700, "vtd_iotlb_cc_hit IOTLB context hit bus 0x0 devfn 0x10 high 0x0 low 0x10104800d gen 1")
			host(at + 701, sprintf("vtd_dmar_fault sid 0x10 fault %d addr 0x%s write 0", first ? 113 : 6, page))
		}
		if (!first)
			command(99000, "pc_inv", "90007", "0", 0)
	}'
	{ guest_head; cat guest.txt; } >guest.trace
}
look() {
	sed "s|$TOP/||" | grep -E 'answers compared|stale-use|exposure|missing|disagreement|differ'
}

echo "== first stage, QEMU 10"
logs first
expect_status 0 iommusim import guest.trace host.log -o run.imt 2>&1 | grep -E '^(clock|maps|unmaps)'
iommusim info run.imt | grep 'source.tables'
iommusim cat run.imt | grep -E ' (cmd|attach|domain|device) ' | head -5
replay() { iommusim replay --verify --machine "$TOP/machines/$1.yaml" "${@:2}" run.imt; }
expect_status 0 replay qemu-10-vtd | look
echo "== the same, as if its tables were of legacy mode: flushes by PASID leave those alone"
expect_status 0 replay qemu-10-vtd --set vtd.driver_tables=legacy | look
echo "== the host alone, which recorded typed lines only"
sed -E 's/vtd_inv_desc invalidate desc type p_iotlb_inv high 0x([0-9a-f]+) low 0x90036/vtd_inv_desc_iotlb_pasid_pages iotlb invalidate domain 0x9 addr 0x\1 mask 0x0 pasid 0x0/; /vtd_inv_desc invalidate/d' host.log >typed.log
expect_status 0 iommusim import typed.log -o run.imt 2>/dev/null
iommusim info run.imt | grep 'source.tables'
iommusim cat run.imt | grep -c " cmd w=0x90036,"
echo "== second stage, QEMU 7.2"
logs second
expect_status 0 iommusim import guest.trace host.log -o run.imt 2>&1 | grep -E '^(clock|maps|unmaps)'
iommusim info run.imt | grep 'source.tables'
expect_status 0 replay qemu-7.2-vtd | look
echo "== the same with the reasons of the specification"
expect_status 0 replay qemu-7.2-vtd --set vtd.second_stage_reasons=scalable | look
echo "== page requests: prq_report, and the responses among the commands"
{
	guest_head
	cat <<'END'
    irq/24-dmar0-pr-140     [000] .....    90.200100: prq_report: dmar0/0000:6a:01.0 seq# 17: rid=0x6a08 addr=0x7f12ab344 r---- pasid=0x3 index=0x5
    irq/24-dmar0-pr-140     [000] .....    90.200110: prq_report: dmar0/0000:6a:01.0 seq# 18: rid=0x6a08 addr=0x7f12ab345 rw--l pasid=0x3 index=0x5
    irq/24-dmar0-pr-140     [000] .....    90.200111: prq_report: dmar0/0000:6a:01.0 seq# 19: rid=0x6a08 addr=0x0 ----l pasid=0x3 index=0x6
    irq/24-dmar0-pr-140     [000] d....    90.230100: qi_submit: page_grp_resp dmar0: 0x36a080019 0x2c 0x0 0x0
    irq/24-dmar0-pr-140     [000] .....    90.231100: prq_report: dmar0/0000:6a:01.0 seq# 20: rid=0x6a08 addr=0x7f12ab346 -w--l pasid=0x3 index=0x7
END
} >guest.trace
expect_status 0 iommusim import guest.trace -o run.imt 2>/dev/null
iommusim cat run.imt | grep -E '^[0-9]+ '
expect_status 0 iommusim replay --verify --store p.db run.imt | grep -E 'stall-timeout|verified'
iommusim dump --findings p.db | grep -E 'kind='
iommusim dump p.db | grep -E 'name=pages'
