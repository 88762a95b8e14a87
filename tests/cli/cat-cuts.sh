# --from, --to, --event and --limit cut the same stretch out of text and native recordings.
cat >short.events <<'END'
# iommusim events 1
0 domain dom0 owner=host
0 device net0 owner=host
0 attach net0 dom0
1us map dom0 iova=0xfffff000 pa=0x12345000 size=4K perm=rw
2us dma net0 write iova=0xfffff000 len=64
3us unmap dom0 iova=0xfffff000 size=4K
3us dma net0 read iova=0xfffff000 len=64
9us inval dom0
END
expect_status 0 iommusim cat -o short.imt short.events
for form in events imt; do
	echo "== $form"
	expect_status 0 iommusim cat short.$form
	echo '-- from 2us to 9us'
	expect_status 0 iommusim cat --from=2us --to=9us short.$form
	echo '-- two events from number 3'
	expect_status 0 iommusim cat --event=3 -n2 short.$form
	echo '-- none'
	expect_status 0 iommusim cat --limit=0 short.$form
	expect_status 0 iommusim cat --event=99 short.$form
	expect_status 0 iommusim cat --from=1s short.$form
done
