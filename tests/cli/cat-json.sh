# Each kind of event as JSON, an object a line: the keys of the text form under their own names.
cat >all.events <<'END'
# iommusim events 1
0 iommu unit0
0 domain dom0 owner=host did=7
0 domain raw0 root=0x10000 levels=4
0 device net0 iommu=unit0 id=0000:00:04.0 owner=host ats=yes
0 device net1 id=12 coherent=no
0 attach net0 dom0 pasid=3
1us map dom0 iova=0x1000 pa=0x12345000 size=4K perm=rw page=4K cpu=3 at=9
2us dma net0 any iova=0x1000 len=64 pasid=3 pa=0x12345000 class=inferred
2us dma net0 write iova=0x1000 len=64 ats=translated fault=6
3us unmap dom0 iova=0x1000 size=4K done=4K
3us protect dom0 iova=0x2000 size=8K perm=r clamped=yes
3us p2m dom0 gfn=0x10 mfn=none order=9 type=ram
3us write pa=0x10000 value=0xffffffffffffffff
3us reg offset=0x34 value=0x1 size=4
4us cmd w=0x500e2,0x0 id=4
4us inval dom0 iova=0x1000 size=4K leaf=yes drain=no id=5
4us inval net0 atc=yes
4us inval
5us done id=5 status=timeout
6us free pa=0x12345000 size=4K
6us alloc pa=0x12345000 size=4K owner=guest1 use=table
6us owner pa=0x12345000 size=4K from=guest1 to=host
7us fault net0 iova=0x1000 code=6 write
7us request net0 read iova=0x1000 group=1 last=yes
7us respond net0 success group=1
8us overflow iommu=unit0 queue=fault count=3
8us dirty dom0 read iova=0x1000 size=4K clear=no
8us p2m-move dom0 from=0x10 to=0x20 pages=4
9us cpu write pa=0x1000 len=64 cached=no
9us cache clean pa=0x1000 len=64 via=pfn
9us dma-map net0 pa=0x1000 len=64 dir=to
9us sync net0 pa=0x1000 len=64 for=cpu dir=from
9us dma-unmap net0 pa=0x1000 len=64 dir=both
9us line evict pa=0x1000 len=64
9us grant map ref=7 pfn=0x50000 mfn=0x9abcd owner=guest1
9us bounce net1 pa=0x1000 len=64 slot=2
9us lost count=7 from=500
9us mark "a \"quoted\" # text"
9us detach net0 pasid=3
END
expect_status 0 iommusim cat --json all.events | tee text.json
# The native form says the same, and a stretch keeps its numbers.
iommusim cat -o all.imt all.events
expect_status 0 iommusim cat --json all.imt | cmp text.json -
expect_status 0 iommusim cat --json --event=12 --limit=1 all.imt
