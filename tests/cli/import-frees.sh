# A page that the guest's kernel gives back while a table still maps it: kmem events beside iommu events.
cat >guest.txt <<'END'
           gtool-103     [000] .....     1.000000: tracing_mark_write: clksync start 0 before
           gtool-103     [000] .....     1.000020: tracing_mark_write: clksync start 0 after
     kworker/0:1-44      [000] .....     2.000000: map: IOMMU: iova=0x00000000ffffb000 - 0x00000000ffffc000 paddr=0x00000000464f4000 size=4096
     kworker/0:1-44      [000] .....     3.000000: mm_page_free: page=000000007876bbb1 pfn=0x464f4 order=0
     kworker/0:1-44      [000] .....     3.100000: mm_page_alloc: page=000000007876bbb1 pfn=0x464f4 order=0 migratetype=1 gfp_flags=GFP_KERNEL
     kworker/0:1-44      [000] .....     4.000000: unmap: IOMMU: iova=0x00000000ffffb000 - 0x00000000ffffc000 size=4096 unmapped_size=4096
END
cat >host.log <<'END'
9@1001.000010:smmuv3_read_mmio addr: 0x18 val:0x0 size: 0x4(0)
7@1002.500000:smmuv3_config_cache_hit Config cache HIT for sid=0x10 (hits=1, misses=1, hit rate=50)
7@1002.500000:smmu_iotlb_lookup_miss IOTLB cache MISS asid=1 addr=0xffffb000 hit=0 miss=1 hit rate=0
7@1002.500000:smmu_ptw_page_pte stage=1 level=3 iova=0xffffb000 base@=0x46551000 pte@=0x46551fd8 pte=0x464f4f47 page address = 0x464f4000
7@1002.500000:smmuv3_translate_success r sid=0x10 iova=0xffffb002 translated=0x464f4002 perm=0x3
END
for iommu in smmuv3 vtd; do
	expect_status 0 iommusim import guest.txt host.log -o run.events 2>/dev/null
	expect_status 0 iommusim replay --iommu $iommu run.events | grep -E 'free-mapped|compared'
done
grep -E ' (free|alloc|map|unmap|attach) ' run.events
