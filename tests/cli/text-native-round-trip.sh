# The same seed gives the same recording, and text to native to text is the identity.
for pattern in zipf ring nvme strict seq uniform chaos; do
	expect_status 0 iommusim generate "$pattern" --seed=3 --events=2k -o once.events
	expect_status 0 iommusim generate "$pattern" --seed=3 --events=2k >again.events
	cmp once.events again.events
	expect_status 0 iommusim cat -o native.imt once.events
	expect_status 0 iommusim cat native.imt >back.events
	cmp once.events back.events && echo "$pattern round-trips"
	expect_status 0 iommusim cat -o second.imt native.imt
	cmp native.imt second.imt
done
# No event with an address, and a PASID without a subject.
printf '%s\n' '# iommusim events 1' '0 domain d0 owner=host' '0 device nic0 id=0000:03:00.0 ats=yes' \
	'0 attach nic0 d0 pasid=5' '1000 inval pasid=5' >once.events
expect_status 0 iommusim cat -o native.imt once.events
expect_status 0 iommusim cat native.imt >back.events
cmp once.events back.events && echo 'without addresses it round-trips'
expect_status 0 iommusim generate chaos --seed=4 --events=2k -o other.events
cmp -s once.events other.events && echo 'another seed gave the same recording'
ls
# A declaration alone: no record has an address, so its column is not there.
printf '# iommusim events 1\n0 iommu iommu0\n' >tiny.events
expect_status 0 iommusim cat tiny.events -o tiny.imt
expect_status 0 iommusim cat tiny.imt
