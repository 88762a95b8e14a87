# explain and report of what walks read and of what tables grant: one finding of each kind.
explain() {
	local scenario=$TOP/tests/scenarios/$1.events kind=$2 finding args

	read -ra args < <(sed -n 's/^#! args:[[:space:]]*//p' "$scenario")
	rm -f store.db
	expect_status 0 iommusim replay --verify --store store.db "${args[@]}" "$scenario" >/dev/null 2>&1
	finding=$(iommusim dump --findings store.db | sed -n "s/^ id=\([0-9]*\) kind=$kind .*/\1/p" | head -1)
	expect_status 0 iommusim explain store.db "$finding"
	iommusim report store.db | grep -E "^ +[0-9]+  $kind"
}
explain walk-behind-old-leaf-after-flush walk-behind
explain torn-pasid-entry-replaced-in-place torn
explain run-inconsistent-one-member-elsewhere run-inconsistent
explain rights-exceed-table-stays-writable rights-exceed
explain lost-dirty-not-flushed-after-clear lost-dirty
