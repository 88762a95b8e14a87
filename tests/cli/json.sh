# Every command's --json prints the keys that docs/json.md names for it, all of them, in that order.
data="$TOP/tests/data"

# The keys of the outermost objects, as printed; of `models` those of each element.
printed() {
	sed -n "s/^$1"'"\([a-z_0-9]*\)": .*/\1/p' | awk '!seen[$0]++'
}
documented() {
	sed -n "/^## $1\$/,/^## /p" "$TOP/docs/json.md" | sed -n '/^| `/s/^| \([^|]*\)|.*/\1/p' |
		tr -d '` ' | tr ',' '\n'
}
compare() {
	documented "$1" >documented
	[ -s documented ] || echo "docs/json.md has no section for $1"
	diff documented printed && echo "$1: as documented"
}

cat >lazy.events <<'END'
# iommusim events 1
0 domain d0 owner=host
0 device nic0 id=0000:03:00.0 owner=host
0 attach nic0 d0
1us map d0 iova=0xfffff000 pa=0x12345000 size=4K perm=rw
5us dma nic0 write iova=0xfffff000 len=64
10us unmap d0 iova=0xfffff000 size=4K
40us dma nic0 write iova=0xfffff000 len=64
END
expect_status 0 iommusim generate uniform --events=20 --json -o made.imt | printed '  ' >printed
compare generate
expect_status 0 iommusim import --json -o imported.imt "$data/vtd-6.12-lazy-dma.ftrace.txt.zst" \
	"$data/vtd-6.12-lazy-dma.qemu.log.zst" 2>/dev/null | printed '  ' >printed
compare import
expect_status 0 iommusim info --json made.imt | printed '  ' >printed
compare info
head -c 32 /dev/zero >dump.bin
{
	expect_status 0 iommusim replay --json --also vtd.iotlb.ways=1 lazy.events | tac | sed '/"recording"/q' | tac |
		printed '    '
	expect_status 0 iommusim replay --json --verify --eventq dump.bin --iommu smmuv3 --store results.db lazy.events |
		printed '  '
} | awk '!seen[$0]++' >printed
compare replay
expect_status 0 iommusim report --json results.db | printed '  ' >printed
compare report
expect_status 0 iommusim dump --json results.db | printed '  ' >printed
compare dump
expect_status 0 iommusim dump --json --findings results.db | printed '  ' | tr '\n' ' '
echo
expect_status 0 iommusim explain --json results.db worst | printed '  ' >printed
compare explain
expect_status 0 iommusim models --json vtd | printed '    ' >printed
compare models
expect_status 0 iommusim vectors --json --count --mutate "$TOP/tests/vectors/vtd-sequences.yaml" |
	printed '  ' >printed
compare vectors
# What --json cannot go with.
expect_status 2 iommusim cat --json -o copy.events lazy.events
expect_status 2 iommusim generate uniform --json
