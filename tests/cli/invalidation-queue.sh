# How far the invalidation queue backs up behind a device TLB that answers at once, late, or not at all.
cat >behind.events <<'END'
# iommusim events 1
0 domain d0 owner=host
0 domain d1 owner=host
0 device nic0 id=0000:03:00.0 owner=host ats=yes
0 device nic1 id=0000:04:00.0 owner=host
0 attach nic0 d0
0 attach nic1 d1
1us map d0 iova=0x10000 pa=0x50000000 size=4K perm=rw
1us map d1 iova=0x10000 pa=0x60000000 size=16K perm=rw
2us dma nic0 write iova=0x10100 len=64
10us unmap d0 iova=0x10000 size=4K
11us inval d0 iova=0x10000 size=4K
12us inval nic0 iova=0x10000 size=4K atc=yes
20us unmap d1 iova=0x10000 size=16K
21us inval d1 iova=0x10000 size=4K
22us inval d1 iova=0x11000 size=4K
23us inval d1 iova=0x12000 size=8K
50us inval d1 iova=0x10000 size=16K
END
queue() {
	rm -f q.db
	iommusim replay --store q.db "$@" behind.events >/dev/null
	iommusim dump q.db | grep -E 'name=invalidations.(queued|timed-out|aborted)'
	echo "$*: shown"
}
queue
queue --set devices.03:00.0.ats.latency=10us
queue --set devices.03:00.0.ats.gone=yes
queue --set devices.03:00.0.ats.gone=yes --set ats.timeout=20us
