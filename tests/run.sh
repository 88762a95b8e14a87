#!/usr/bin/env bash
# Runs every suite and ends with one line that counts all tests: "N passed, M failed".
#
#   tests/run.sh BUILD      BUILD holds iommusim and, if there are unit tests, unit-tests
#
# A suite is a program whose last line on stdout is "N passed, M failed". One that ends without
# that line, or fails without counting a failure, counts as one failed test: a crash never passes.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 3
build=${1:?usage: tests/run.sh BUILD}
passed=0
failed=0

run_suite() {
	local name=$1 status line='' last=''

	shift
	echo "== $name"
	# Everything passes through but the count, which is shown with the name of its suite.
	exec 3< <("$@" </dev/null)
	local pid=$!
	while IFS= read -r line <&3; do
		if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
			last=$line
		else
			printf '%s\n' "$line"
		fi
	done
	exec 3<&-
	wait "$pid"
	status=$?
	if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
		echo "$name: $last"
		[ "$status" -eq 0 ] || [ "${BASH_REMATCH[2]}" -gt 0 ] || {
			echo "$name: exit status $status without a failed test"
			failed=$((failed + 1))
		}
	else
		echo "$name: ended without its count, exit status $status"
		failed=$((failed + 1))
	fi
}

run_suite layers scripts/include-check.sh --count
[ ! -x "$build/unit-tests" ] || run_suite unit tests/unit/run.sh "$build/unit-tests"
run_suite scenarios tests/scenarios/run.sh "$build/iommusim"
run_suite cli tests/cli/run.sh "$build/iommusim"
run_suite verify tests/verify/run.sh "$build/iommusim"
run_suite kill tests/kill/run.sh "$build/iommusim"
[ ! -x "$build/marks/iommusim" ] || run_suite marks tests/marks/run.sh "$build/marks/iommusim" "$build/marks/unit-tests"
[ ! -x "$build/marks/iommusim" ] || run_suite steps tests/marks/steps.sh "$build/marks/iommusim"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
