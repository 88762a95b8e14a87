#!/usr/bin/env bash
# Every call that sets check bits is needed: with any one left out, replay --verify fails.
#
#   tests/marks/run.sh IOMMUSIM UNIT-TESTS     builds with -DMARK_OMIT
#
# Chaos streams exercise most of them, small caches making evictions and refills common; the
# recordings beside this script do what chance hardly does. What drivers' tables never do (context
# entries that change in scalable mode, nested translation) is in the unit tests of random tables.
# SMMUv3's are in a unit test of random tables, nested streams and configurations among them.
# Ends with "N passed, M failed".
set -uo pipefail
iommusim=${1:?usage: tests/marks/run.sh IOMMUSIM UNIT-TESTS}
unit_tests=${2:?usage: tests/marks/run.sh IOMMUSIM UNIT-TESTS}
here=$(dirname "$0")
# Numbers and names of the sites in an enum: $1 in file $2, counted from $3.
sites_of() {
	sed -n "/^enum $1/,/};/p" "$here/../../$2" | grep -oE 'MARK_[A-Z0-9_]+' | grep -v MARK_SITES |
		awk -v base="$3" '{ print base + NR, $0 }'
}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0
failed=0
for seed in 1 2 3 4; do
	"$iommusim" generate chaos --events=60000 --seed="$seed" -o "$tmp/$seed.imt" 2>/dev/null || exit 3
	"$iommusim" generate chaos --events=60000 --seed="$seed" --ats=4 -o "$tmp/ats-$seed.imt" \
		2>/dev/null || exit 3
done

# 0 when --verify finds a difference on any stream, with the call number $1 left out.
differs() {
	local seed shape events tables args
	for events in "$here"/*.events; do
		read -ra args < <(sed -n 's/^#! args:[[:space:]]*//p' "$events")
		IOMMUSIM_MARK_OMIT=$1 "$iommusim" replay --verify --set vtd.walk.entries=0 "${args[@]}" \
			"$events" >/dev/null 2>&1 || return 0
	done
	# A unit test that fails ends by abort and frees nothing: that is no leak to report.
	ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" IOMMUSIM_MARK_OMIT=$1 \
		"$unit_tests" --filter 'vtd_random/*' >/dev/null 2>&1 || return 0
	for tables in legacy first-stage second-stage; do
		for seed in 1 2 3 4 ats-1 ats-2; do
			for shape in 2:2:4:2:complete 16:8:16:32:complete 16:8:16:32:recorded; do
				IFS=: read -r sets ways walk contexts config <<<"$shape"
				IOMMUSIM_MARK_OMIT=$1 "$iommusim" replay --verify --set vtd.iotlb.sets="$sets" \
					--set vtd.iotlb.ways="$ways" --set vtd.walk.entries="$walk" \
					--set vtd.context.entries="$contexts" --set vtd.pasid.entries="$contexts" \
					--set vtd.driver_tables="$tables" --set vtd.first_stage_5_levels=yes \
					--set config_inval="$config" "$tmp/$seed.imt" >/dev/null 2>&1 || return 0
			done
		done
	done
	return 1
}

# The same for SMMUv3.
differs_smmuv3() {
	local seed shape events tlb walk configs stage
	ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" IOMMUSIM_MARK_OMIT=$1 \
		"$unit_tests" --filter '@(smmuv3|smmuv3_ipa)/*' >/dev/null 2>&1 || return 0
	for events in "$here"/*.events; do
		IOMMUSIM_MARK_OMIT=$1 "$iommusim" replay --verify --set iommu=smmuv3 \
			--set smmuv3.walk.entries=0 "$events" >/dev/null 2>&1 || return 0
	done
	for seed in 1 2 3 4; do
		for shape in 2:4:2:complete:1 16:8:32:recorded:1 2:4:2:complete:2 16:8:32:recorded:2; do
			IFS=: read -r tlb walk configs config stage <<<"$shape"
			IOMMUSIM_MARK_OMIT=$1 "$iommusim" replay --verify --set iommu=smmuv3 \
				--set smmuv3.tlb.sets="$tlb" --set smmuv3.tlb.ways=2 \
				--set smmuv3.walk.entries="$walk" --set smmuv3.config.entries="$configs" \
				--set smmuv3.stage="$stage" --set config_inval="$config" "$tmp/$seed.imt" \
				>/dev/null 2>&1 || return 0
		done
	done
	return 1
}

# Without call number $3, as $4 is called, the comparisons $1 differ; with 0 they must not.
try_without() {
	local expected=$2

	"$1" "$3"
	if [ $? -eq "$expected" ]; then
		passed=$((passed + 1))
	else
		echo "FAILED: $4"
		failed=$((failed + 1))
	fi
}

try_without differs 1 0 "--verify finds a difference with every call in place"
while read -r number site; do
	try_without differs 0 "$number" "nothing differs without $site"
done < <(
	sites_of vtd_mark_site hw/vtd/vtd_private.h 0
	sites_of shared_mark_site hw/marks.h 100
)
try_without differs_smmuv3 1 0 "smmuv3: a difference is found with every call in place"
while read -r number site; do
	try_without differs_smmuv3 0 "$number" "nothing differs without $site"
done < <(sites_of smmu_mark_site hw/smmuv3/smmuv3_private.h 200)
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
