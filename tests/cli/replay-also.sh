# Machines replayed together leave the same store as machines replayed one after the other.
data="$TOP/tests/data"
iommusim generate chaos --events=8000 --seed=9 --ats=2 -o chaos.imt
iommusim import "$data/vtd-6.12-lazy-dma.ftrace.txt.zst" "$data/vtd-6.12-lazy-dma.qemu.log.zst" -o real.imt 2>/dev/null

# together ARGS...: runs of the first machine and of two more
compare() {
	local recording=$1

	shift
	rm -f together.db alone.db
	expect_status 0 iommusim replay --store together.db --also vtd.iotlb.ways=1 \
		--also vtd.iotlb.sets=64,vtd.walk.entries=0,vtd.fault_records=2 "$@" "$recording" >/dev/null
	iommusim replay --store alone.db "$@" "$recording" >/dev/null
	iommusim replay --store alone.db --set vtd.iotlb.ways=1 "$@" "$recording" >/dev/null
	iommusim replay --store alone.db --set vtd.iotlb.sets=64 --set vtd.walk.entries=0 \
		--set vtd.fault_records=2 "$@" "$recording" >/dev/null
	iommusim dump together.db >together
	iommusim dump alone.db >alone
	cmp together alone && echo "$recording $*: $(grep -c '^\[run\]' together) runs, the same"
	for run in 1 2 3; do
		iommusim report --run $run --json together.db | grep '"config"' >config.$run
		iommusim report --run $run --json alone.db | grep '"config"' | cmp - config.$run
	done
	cmp -s config.1 config.2 && echo 'the machines are the same'
}
compare chaos.imt
compare chaos.imt --set policy=linux-strict --set time.inval_latency=300ns
compare chaos.imt --set policy=linux-lazy --set linux.fq_timeout=50us
compare real.imt
cat >small.events <<'END'
# iommusim events 1
0 domain d0 owner=host
0 device nic0 id=1
0 attach nic0 d0
1us map d0 iova=0x10000 pa=0x50000000 size=4K perm=rw
END
expect_status 0 iommusim replay --also vtd.iotlb.ways=1 small.events
expect_status 0 iommusim replay --json --also vtd.iotlb.ways=1 small.events | grep '"\(also\|recording\|run\)"'
expect_status 2 iommusim replay --also policy=linux-lazy small.events
expect_status 2 iommusim replay --also vtd.pages_2m=no small.events
expect_status 2 iommusim replay --also vtd.iotlb.way=1 small.events
expect_status 2 iommusim replay --verify --also vtd.iotlb.ways=1 small.events
