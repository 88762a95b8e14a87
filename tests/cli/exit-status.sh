# Exit status: 0 fine, 1 the gate says no, 2 the input or the command is wrong, 3 the program could not finish.
cat >one.events <<'END'
# iommusim events 1
0 domain d0 owner=host
0 device nic0 id=0000:03:00.0 owner=host
0 attach nic0 d0
1us map d0 iova=0x1000 pa=0x12345000 size=4K perm=rw
2us unmap d0 iova=0x1000 size=4K
END
sed '$s/unmap/unmpa/' one.events >wrong.events
expect_status 0 iommusim replay --store results.db one.events >/dev/null
# 2: what stands in the files
expect_status 2 iommusim replay wrong.events
expect_status 2 iommusim cat wrong.events >/dev/null
expect_status 2 iommusim info wrong.events
expect_status 2 iommusim replay results.db
expect_status 2 iommusim report one.events
expect_status 2 iommusim info .
iommusim cat -o one.imt one.events
head -c 300 one.imt >cut.imt
expect_status 2 iommusim cat --salvage cut.imt >/dev/null
iommusim cat cut.imt 2>&1 >/dev/null | sed 's/at byte [0-9]*: cut short: [0-9]* bytes/at byte N: cut short: M bytes/'
expect_status 2 iommusim cat cut.imt >/dev/null 2>&1
# 2: what the command names
expect_status 2 iommusim report --run 9 results.db
expect_status 2 iommusim report --json --run 9 results.db
expect_status 2 iommusim dump --run 9 results.db
expect_status 2 iommusim explain --json results.db 99
expect_status 2 iommusim explain results.db none
expect_status 2 iommusim replay --set vtd.iotlb.way=4 one.events
expect_status 2 iommusim replay --set vtd.iotlb.ways=0 one.events
expect_status 2 iommusim replay --iommu vtb one.events
expect_status 2 iommusim replay --machine none.yaml one.events
expect_status 2 iommusim models vdt
expect_status 2 iommusim generate zip
# 2: losses, where --strict asks
printf '# tracer: nop\nnonsense\n' >trace
printf '           <...>-1     [000] .....  1.000000: map: IOMMU: iova=0x1000 - 0x2000 paddr=0x3000 size=4096\n' >>trace
expect_status 0 iommusim import --guest trace >/dev/null 2>&1
expect_status 2 iommusim import --strict --guest trace 2>&1 >/dev/null | tail -n 1
# 3: the disk is full, the folder is not there
expect_status 3 iommusim cat one.events >/dev/full
expect_status 3 iommusim info one.events >/dev/full
expect_status 3 iommusim models >/dev/full
expect_status 3 iommusim cat --json one.events >/dev/full
expect_status 3 iommusim report results.db >/dev/full
expect_status 3 iommusim generate uniform --events=10 -o none/made.imt
expect_status 3 iommusim replay --store none/results.db one.events
