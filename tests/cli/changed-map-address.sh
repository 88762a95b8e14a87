# One map's address changed by a page: exactly that mapping's answers become disagreements, and
# each is explained with the walk that led to it.
data=$TOP/tests/data/vtd-6.1-uaf-lazy
machine=$TOP/machines/qemu-7.2-vtd.yaml
expect_status 0 iommusim import "$data.ftrace.txt.zst" "$data.qemu.log.zst" -o run.events 2>/dev/null
expect_status 0 iommusim replay --machine "$machine" run.events | grep -A1 '^recorded answers'

changed='map did7 iova=0xfff08000 pa=0x108441000 size=8K'
echo "maps like this: $(grep -c "^5707466723 $changed" run.events)"
sed "/^5707466723 $changed/s/pa=0x108441000/pa=0x108442000/" run.events >changed.events
# The answers of that mapping: until its unmap.
sed -n "/^5707466723 $changed/,/unmap did7 iova=0xfff08000/p" run.events |
	grep -cE ' dma .* iova=0xfff0(8|9)' | sed 's/^/its answers: /'
expect_status 0 iommusim replay --machine "$machine" --store store.db changed.events |
	grep -A1 '^recorded answers'
expect_status 0 iommusim dump --findings store.db | grep ' kind=disagreement' |
	sed -E 's/.* (iova=0xfff0[0-9a-f])[0-9a-f]+ .*/\1.../' | sort | uniq -c | sed 's/^ *//'
finding=$(iommusim dump --findings store.db | sed -n 's/^ id=\([0-9]*\) kind=disagreement.*/\1/p' | head -1)
expect_status 0 iommusim explain store.db "$finding"
