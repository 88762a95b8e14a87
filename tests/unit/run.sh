#!/usr/bin/env bash
# Runs the Criterion binary and ends with "N passed, M failed", taken from its synthesis line.
# A binary that ends without a synthesis line has crashed; tests/run.sh counts that as a failure.
set -uo pipefail
binary=${1:?usage: tests/unit/run.sh BINARY}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

"$binary" --color=never --verbose=1 >"$log" 2>&1
status=$?
# A quiet success: the synthesis alone says enough.
if [ "$status" -ne 0 ] || ! grep -q "^\[====\] Synthesis:" "$log"; then
	grep -v "^\[\(RUN \|PASS\)\]" "$log"
fi
synthesis=$(grep '^\[====\] Synthesis:' "$log" | tail -n 1)
if [[ $synthesis =~ Tested:\ ([0-9]+).*Passing:\ ([0-9]+) ]]; then
	failed=$((BASH_REMATCH[1] - BASH_REMATCH[2]))
	# A test that is not run proves nothing, so it must not look like success.
	skipped=$(grep -c '^\[SKIP\]' "$log")
	[ "$skipped" -eq 0 ] || grep '^\[SKIP\]' "$log"
	echo "${BASH_REMATCH[2]} passed, $((failed + skipped)) failed"
	[ $((failed + skipped)) -eq 0 ] || exit 1
	# Criterion finds its tests through /proc, and those that the linker left it: what is not there
	# cannot fail, so there must be as many as the sources declare, rows of parameters apart.
	[[ $synthesis =~ Tested:\ ([0-9]+) ]]
	declared=$(cat "$(dirname "$0")"/*.c | grep -c '^\(Parameterized\)\{0,1\}Test(')
	if [ "${BASH_REMATCH[1]}" -lt "$declared" ]; then
		echo "only ${BASH_REMATCH[1]} tests of $declared that the sources declare are in $binary"
		exit 1
	fi
else
	[ "$status" -ne 0 ] || status=1
fi
exit "$status"
