#!/usr/bin/env bash
# replay --verify finds no difference on random streams: both models, one stage and two, small caches and large ones.
#
#   tests/verify/run.sh IOMMUSIM [EVENTS]
#
# EVENTS of each stream, 10000 unless told; `make verify` takes 100000, which is millions in all.
# Ends with "N passed, M failed".
set -uo pipefail
iommusim=${1:?usage: tests/verify/run.sh IOMMUSIM [EVENTS]}
events=${2:-10000}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0
failed=0

# One stream on one machine: its settings.
try() {
	local seed=$1 settings=() said

	shift
	for setting in "$@"; do settings+=(--set "$setting"); done
	if said=$("$iommusim" replay --verify "${settings[@]}" "$tmp/$seed.imt" 2>&1); then
		passed=$((passed + 1))
	else
		echo "FAILED: chaos --seed=$seed --events=$events, replay --verify ${settings[*]}: $said"
		failed=$((failed + 1))
	fi
}

for seed in 11 12 13; do
	"$iommusim" generate chaos --events="$events" --seed=$seed -o "$tmp/$seed.imt" 2>/dev/null || exit 3
	for shape in 2:2:4:2:complete 16:8:16:32:recorded; do
		IFS=: read -r sets ways walk configs config <<<"$shape"
		for tables in legacy second-stage first-stage nested; do
			try $seed iommu=vtd vtd.iotlb.sets="$sets" vtd.iotlb.ways="$ways" vtd.walk.entries="$walk" \
				vtd.context.entries="$configs" vtd.pasid.entries="$configs" vtd.driver_tables=$tables \
				vtd.first_stage_5_levels=yes config_inval="$config"
		done
		for stages in 'stage=1' 'stage=2' 'nested=yes' 'nested=yes smmuv3.ipa.entries=16'; do
			read -ra words <<<"$stages"
			try $seed iommu=smmuv3 smmuv3.tlb.sets="$sets" smmuv3.tlb.ways="$ways" \
				smmuv3.walk.entries="$walk" smmuv3.config.entries="$configs" \
				"smmuv3.${words[0]}" "${words[@]:1}" config_inval="$config"
		done
	done
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
