#!/usr/bin/env bash
# Every call that sets check bits is needed: with any one left out, replay --verify fails.
#
#   tests/marks/run.sh IOMMUSIM UNIT-TESTS     builds with -DMARK_OMIT
#
# Chaos streams exercise most of them, small caches making evictions and refills common; the
# recordings beside this script do what chance hardly does. What drivers' tables never do (context
# entries that change in scalable mode, nested translation) is in the unit tests of random tables.
# Ends with "N passed, M failed".
set -uo pipefail
iommusim=${1:?usage: tests/marks/run.sh IOMMUSIM UNIT-TESTS}
unit_tests=${2:?usage: tests/marks/run.sh IOMMUSIM UNIT-TESTS}
here=$(dirname "$0")
# Numbers and names of the sites in an enum: $1 in file $2, counted from $3.
sites_of() {
	sed -n "/^enum $1/,/};/p" "$here/../../$2" | grep -oE 'MARK_[A-Z_]+' | grep -v MARK_SITES |
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

if differs 0; then
	echo "FAILED: --verify finds a difference with every call in place"
	failed=$((failed + 1))
else
	passed=$((passed + 1))
fi
while read -r number site; do
	if differs "$number"; then
		passed=$((passed + 1))
	else
		echo "FAILED: nothing differs without $site"
		failed=$((failed + 1))
	fi
done < <(
	sites_of vtd_mark_site hw/vtd/vtd_private.h 0
	sites_of shared_mark_site hw/marks.h 100
)
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
