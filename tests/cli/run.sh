#!/usr/bin/env bash
# Runs every tests/cli/NAME.sh and compares what it prints, both streams, with NAME.expect.
#
#   tests/cli/run.sh IOMMUSIM             compare
#   tests/cli/run.sh --golden IOMMUSIM    rewrite the expectations
#
# A script runs in an empty directory of its own, with iommusim in PATH, the root of the sources
# in $TOP, and an `expect_status N COMMAND...` that prints the exit status when it is another.
# Ends with "N passed, M failed".
set -uo pipefail
golden=no
if [ "${1-}" = --golden ]; then
	golden=yes
	shift
fi
iommusim=$(realpath "${1:?usage: tests/cli/run.sh [--golden] IOMMUSIM}")
[ -x "$iommusim" ] || { echo "$iommusim is not there or not a program; run make first" >&2; exit 2; }
cd "$(dirname "$0")" || exit 3
tests=$PWD
TOP=$(realpath ../..)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/bin"
ln -s "$iommusim" "$tmp/bin/iommusim"
passed=0
failed=0

expect_status() {
	local expected=$1 status

	shift
	"$@"
	status=$?
	[ "$status" -eq "$expected" ] || echo "exit status $status, expected $expected: $*"
}
export -f expect_status
export TOP LC_ALL=C PATH="$tmp/bin:$PATH"

for script in *.sh; do
	[ "$script" != run.sh ] || continue
	name=${script%.sh}
	rm -rf "$tmp/work"
	mkdir "$tmp/work"
	(cd "$tmp/work" && timeout 300 bash -u "$tests/$script") >"$tmp/out" 2>&1 </dev/null
	status=$?
	[ "$status" -eq 0 ] || echo "the script's exit status is $status" >>"$tmp/out"
	if [ "$golden" = yes ]; then
		cp "$tmp/out" "$name.expect"
		passed=$((passed + 1))
	elif diff -u "$name.expect" "$tmp/out" >"$tmp/diff" 2>&1; then
		passed=$((passed + 1))
	else
		echo "FAILED $name:"
		sed 's/^/    /' "$tmp/diff"
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
