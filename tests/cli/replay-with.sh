# A patch puts in what the recording could not know: a mapping older than it, a table written from
# outside. Declarations that both hold count once; errors name the patch's file and line.
cat >run.events <<'EOF'
# iommusim events 1
0 device nic0 id=0000:03:00.0 owner=host
0 domain d0 owner=host
0 attach nic0 d0
5us dma nic0 write iova=0x10000 len=64
9us unmap d0 iova=0x10000 size=4K
10us dma nic0 write iova=0x10000 len=64
EOF
cat >patch.events <<'EOF'
# iommusim events 1
0 domain d0 owner=host
0 map d0 iova=0x10000 pa=0x5000000 size=4K perm=rw
8us domain d1 owner=guest7
8us mark "put in"
11us inval d0
EOF
echo 'without:'
expect_status 0 iommusim replay --store without.db run.events >/dev/null
iommusim dump --findings without.db | grep kind=
echo 'with:'
expect_status 0 iommusim replay --verify --with patch.events --store with.db run.events
iommusim dump --findings with.db | grep -E 'kind=|role=mapped'
iommusim explain with.db worst | sed -n 3,5p

echo '# iommusim events 1' >empty.events
iommusim generate chaos --events=3k -o chaos.events
expect_status 0 iommusim replay --store a.db chaos.events >/dev/null
expect_status 0 iommusim replay --store b.db --with empty.events chaos.events >/dev/null
iommusim dump a.db >a.txt
iommusim dump b.db >b.txt
cmp a.txt b.txt && echo 'an empty patch changes nothing'

echo '20us map d9 iova=0x20000 pa=0x0 size=4K perm=rw' >>patch.events
expect_status 2 iommusim replay --with patch.events run.events
echo '20us unmap d1 iova=0x20000 size=4K' | cat empty.events - >late.events
expect_status 2 iommusim replay --with late.events run.events
