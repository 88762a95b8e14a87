# The same recording on two kinds of IOMMU. Software windows and pages freed while mapped follow from
# the recording alone (recorded invalidations, pages of 4 KiB), whichever unit was recorded.
windows() {
	rm -f "$1.db"
	expect_status 0 iommusim replay --iommu "$1" --store "$1.db" "${@:2}" >/dev/null
	iommusim dump "$1.db" | grep -E 'name=(exposure.software|findings.(exposure[^ ]*|free-mapped[^ ]*)) ' >"$1.counts"
	# Of each window or page what does not depend on caches.
	iommusim dump --findings "$1.db" | grep -E 'kind=(exposure|free-mapped) ' |
		sed -E 's/ (id|hw_[a-z_]+|uses)=[^ ]*//g' | sort >"$1.list"
}
compare() {
	windows vtd "$@"
	windows smmuv3 "$@"
	cat vtd.counts
	diff vtd.counts smmuv3.counts && echo "windows: the same"
	if [ "$(wc -l <vtd.list)" -le 100 ]; then
		diff vtd.list smmuv3.list && echo "each of $(wc -l <vtd.list): the same"
	fi
}

echo "== recorded on VT-d"
data=$TOP/tests/data/vtd-6.12-lazy-dma
iommusim import "$data.ftrace.txt.zst" "$data.qemu.log.zst" -o vtd.imt 2>/dev/null
compare vtd.imt
echo "== recorded on SMMUv3"
data=$TOP/tests/data/smmuv3-6.1-uau-lazy
iommusim import "$data.ftrace.txt.zst" "$data.qemu.log.zst" -o smmuv3.imt 2>/dev/null
compare smmuv3.imt
echo "== pages freed while mapped"
compare "$TOP/tests/scenarios/free-mapped.events"
compare "$TOP/tests/scenarios/stale-use-page-reused-by-other-guest.events"
echo "== an IOMMU that is not there"
expect_status 2 iommusim replay --iommu smmuv4 vtd.imt
