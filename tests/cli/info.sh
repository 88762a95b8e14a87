# What info counts, as text and as JSON, for both forms of a recording.
cat >lossy.events <<'END'
# iommusim events 1
0 domain dom0 owner=host
0 device net0 owner=host
0 attach net0 dom0
1us map dom0 iova=0xfffff000 pa=0x12345000 size=4K perm=rw
2us dma net0 write iova=0xfffff000 len=64
3us dma net0 read iova=0xfffff000 len=256
4us lost count=17
5us lost
END
expect_status 0 iommusim info lossy.events
expect_status 0 iommusim info --json lossy.events
expect_status 0 iommusim cat -o lossy.imt lossy.events
expect_status 0 iommusim info lossy.imt | grep -E '^(form|events|losses|blocks) '
: >empty.events
expect_status 2 iommusim info empty.events
head -c 100 lossy.imt >torn.imt
iommusim info torn.imt >/dev/null 2>&1
echo "a torn recording: status $?"
