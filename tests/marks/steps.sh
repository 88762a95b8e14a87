#!/usr/bin/env bash
# --verify derives findings without the detector: with any one step of the detector left out, it notices.
#
#   tests/marks/steps.sh IOMMUSIM      builds with -DMARK_OMIT
#
# The steps are what analysis/ marks with STEP(). Scenarios exercise most of them, chaos streams the rest.
# Ends with "N passed, M failed".
set -uo pipefail
iommusim=$(realpath "${1:?usage: tests/marks/steps.sh IOMMUSIM}")
cd "$(dirname "$0")/../.." || exit 3
steps=$(grep -ohE 'STEP\([a-z_]+\)' analysis/*.c | sed 's/STEP(\(.*\))/\1/' | sort -u)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0
failed=0
"$iommusim" generate chaos --events=15000 --seed=5 -o "$tmp/chaos.imt" 2>/dev/null || exit 3

# 0 when --verify finds a difference in the recording with the step left out.
notices() {
	local step=$1 out

	shift
	out=$(IOMMUSIM_STEP_OMIT=$step "$iommusim" replay --verify "$@" 2>&1 >/dev/null)
	[ $? -eq 3 ] && [[ $out == *'verify: '*'a defect of this program'* ]]
}

noticed() {
	local step=$1 events args

	notices "$step" --set time.flight=300ns "$tmp/chaos.imt" && return 0
	notices "$step" --set policy=linux-lazy --set intel.superpage_replace=free-noflush \
		--set vtd.iotlb.sets=2 --set vtd.iotlb.ways=2 "$tmp/chaos.imt" && return 0
	for events in tests/scenarios/*.events; do
		read -ra args < <(sed -n '1,20s/^#! args:[[:space:]]*//p' "$events" | tr '\n' ' ')
		(cd tests/scenarios && notices "$step" "${args[@]}" "$(basename "$events")") && return 0
	done
	return 1
}

for step in $steps; do
	if noticed "$step"; then
		passed=$((passed + 1))
	else
		echo "FAILED: --verify does not notice that $step is left out"
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
