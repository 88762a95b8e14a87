# Recordings of an emulated SMMUv3 from both sides: what the hardware answered, what was found, and
# the raw dumps of its event queue.
replay() { expect_status 0 iommusim replay --machine "$TOP/machines/$1.yaml" "${@:2}" run.imt | sed "s|$TOP/||" | grep -v '^$'; }
both() { iommusim import "$TOP/tests/data/$1.ftrace.txt.zst" "$TOP/tests/data/$1.qemu.log.zst" -o run.imt 2>&1 | grep -E '^(clock|maps|unmaps|moved|iommusim)'; }

echo "== strict, VFIO: blocks and pages, refused writes"
both smmuv3-6.1-vfio
replay qemu-7.2-smmuv3 --eventq "$TOP/tests/data/smmuv3-6.1-vfio.evtq.bin.zst"
echo "== a kernel without break-before-make"
both smmuv3-6.1-bbm-broken
replay qemu-7.2-smmuv3 --eventq "$TOP/tests/data/smmuv3-6.1-bbm-broken.evtq.bin.zst" --store s.db
iommusim dump --findings s.db | grep -oE 'kind=(multi-hit|stale-use) subtype=[a-z]+' | sort | uniq -c
echo "== lazy, use after unmap: an excerpt"
both smmuv3-6.1-uau-lazy
replay qemu-7.2-smmuv3 --store s2.db
iommusim dump --findings s2.db | grep -oE 'kind=stale-use .* device=[^ ]+ .* iova=[^ ]+|lag_ns=[0-9]+' | grep -A1 stale-use | grep -v -- --
echo "== stage 2: an excerpt"
both smmuv3-6.12-stage2
replay qemu-10-smmuv3-stage2
echo "== bypass: an excerpt"
both smmuv3-6.12-bypass
replay qemu-10-smmuv3
echo "== the first faults, host alone"
iommusim import "$TOP/tests/data/smmuv3-6.1-single-faults.qemu.log.zst" -o run.imt 2>&1 | grep answers
replay qemu-7.2-smmuv3 --eventq "$TOP/tests/data/smmuv3-6.1-single-faults.evtq.bin.zst"
echo "== a queue that is another's"
replay qemu-7.2-smmuv3 --eventq "$TOP/tests/data/smmuv3-6.1-vfio.evtq.bin.zst" | tail -2
head -c 33 /dev/zero >cut.bin
expect_status 2 iommusim replay --iommu smmuv3 --eventq cut.bin run.imt
