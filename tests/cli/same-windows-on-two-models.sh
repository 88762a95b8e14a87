# The same recordings on VT-d and on SMMUv3, of one stage and nested: software windows, pages freed while mapped and
# missing flushes are of the recording and the driver, so they are the same. 4 KiB pages, recorded invalidations.
software() {
	rm -f s.db
	expect_status 0 iommusim replay --iommu "$1" --store s.db "${@:2}" >/dev/null 2>&1
	iommusim dump s.db | grep -E '^ name=(exposure\.(bytes|software)|findings\.(exposure|flush-missing|free-mapped)[a-z.-]*) |byte-nanoseconds' |
		sed 's/note=[0-9]*/note/'
	# each of them, without the hardware side and the words for a native command
	iommusim dump --findings s.db | grep -E 'kind=(free-mapped|flush-missing) ' | sed -E 's/^ id=[0-9]+//; s/ (hw_[a-z_]+|count)=[^ ]+//g; s/ detail=.*//' | sort
}

compare() {
	local name=$1
	shift
	software vtd "$@" --set vtd.driver_tables=legacy >vtd.txt
	software smmuv3 "$@" >smmuv3.txt
	cp smmuv3.txt nested.txt # the largest takes long enough as it is
	[ "$name" = vtd-6.1-uaf-lazy ] || software smmuv3 "$@" --set smmuv3.nested=yes >nested.txt
	for other in smmuv3 nested; do diff vtd.txt $other.txt >difference || { echo "$name: vtd and $other differ"; head -4 difference; }; done
	grep -E 'findings.exposure.closed|free-mapped value|exposure.software' vtd.txt | sed "s/^ name=/$name: /"
}

for recording in vtd-6.1-uaf-lazy vtd-6.12-lazy-dma smmuv3-6.1-uau-lazy smmuv3-6.1-vfio smmuv3-6.1-bbm-broken; do
	iommusim import "$TOP/tests/data/$recording.ftrace.txt.zst" "$TOP/tests/data/$recording.qemu.log.zst" -o $recording.imt >/dev/null 2>&1
	compare $recording $recording.imt
done
for seed in 1 2 3; do
	# but for a domain id that two domains share, which SMMUs do not know
	iommusim generate chaos --events=20000 --seed=$seed -o - 2>/dev/null | sed 's/ did=80//' >chaos.events
	compare "chaos $seed" chaos.events
done
