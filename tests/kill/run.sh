#!/usr/bin/env bash
# replay killed at many moments: the store opens, earlier runs are whole, the killed one is absent.
#
#   tests/kill/run.sh IOMMUSIM
#
# Ends with "N passed, M failed".
set -uo pipefail
iommusim=${1:?usage: tests/kill/run.sh IOMMUSIM}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$iommusim" generate chaos --events=40000 --seed=7 -o "$tmp/run.imt" 2>/dev/null || exit 3
"$iommusim" replay --store "$tmp/store.db" "$tmp/run.imt" >/dev/null 2>&1 || exit 3
"$iommusim" dump --run 1 "$tmp/store.db" >"$tmp/first"
passed=0
failed=0
whole=1
for try in $(seq 1 20); do
	"$iommusim" replay --store "$tmp/store.db" "$tmp/run.imt" >/dev/null 2>&1 &
	pid=$!
	sleep "0.$(printf %03d $((try * 23)))"
	kill -9 "$pid" 2>/dev/null && killed=yes || killed=no
	wait "$pid" 2>/dev/null
	runs=$("$iommusim" dump "$tmp/store.db" | grep -c '^\[run\]')
	ok=yes
	"$iommusim" dump --run 1 "$tmp/store.db" | cmp -s - "$tmp/first" || ok=no
	# the killed run may have been committed just before; then it must equal the first
	if [ "$runs" -gt "$whole" ]; then
		whole=$((whole + 1))
		[ "$runs" -eq "$whole" ] || ok=no
		"$iommusim" dump --run "$whole" "$tmp/store.db" | sed 's/run='"$whole"' /run=1 /' |
			cmp -s - "$tmp/first" || ok=no
	fi
	if [ $ok = yes ]; then
		passed=$((passed + 1))
	else
		echo "FAILED: killed ($killed) after 0.$((try * 23)) s: the store is not as it should be"
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
