# The recorded flush queue of Linux against policy linux-lazy on the same maps and unmaps: the ring
# of 256 and the timer of 10 ms, exact and with the guest's tick of 4 ms.
data=$TOP/tests/data/vtd-6.1-uaf-lazy
expect_status 0 iommusim import "$data.ftrace.txt.zst" "$data.qemu.log.zst" -o run.imt 2>/dev/null
replay() { iommusim replay --machine "$TOP/machines/qemu-7.2-vtd.yaml" --store "$1.db" "${@:2}" run.imt >/dev/null; }
expect_status 0 replay recorded
expect_status 0 replay timer --set policy=linux-lazy
expect_status 0 replay tick --set policy=linux-lazy --set linux.jiffy=4ms
for run in recorded timer tick; do
	printf '%-9s' "$run"
	iommusim dump "$run.db" | grep -oE 'name=(exposure.software|iommu0.invalidations) .*' |
		sed -E 's/unit=ns //; s/ sum=.*//; s/p999=[0-9]+ //' | tr '\n' ' '
	echo
done
