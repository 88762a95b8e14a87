#!/usr/bin/env bash
# Replays every tests/scenarios/NAME.events and compares the store's dump with NAME.expect.
#
#   tests/scenarios/run.sh IOMMUSIM             compare
#   tests/scenarios/run.sh --golden IOMMUSIM    rewrite the expectations
#
# Comment lines "#! args: ..." among a scenario's first lines are options of `iommusim replay`.
# Ends with "N passed, M failed".
set -uo pipefail
golden=no
if [ "${1-}" = --golden ]; then
	golden=yes
	shift
fi
iommusim=$(realpath "${1:?usage: tests/scenarios/run.sh [--golden] IOMMUSIM}")
[ -x "$iommusim" ] || { echo "$iommusim is not there or not a program; run make first" >&2; exit 2; }
cd "$(dirname "$0")" || exit 3
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0
failed=0

# The dump of one scenario on stdout; what went wrong on stderr.
replay_and_dump() {
	local events=$1 args

	read -ra args < <(sed -n '1,20s/^#! args:[[:space:]]*//p' "$events" | tr '\n' ' ')
	rm -f "$tmp/store.db"
	timeout 120 "$iommusim" replay --verify --store "$tmp/store.db" "${args[@]}" "$events" >/dev/null &&
		timeout 120 "$iommusim" dump --findings "$tmp/store.db"
}

for events in *.events; do
	[ -e "$events" ] || continue
	name=${events%.events}
	if ! replay_and_dump "$events" >"$tmp/out" 2>"$tmp/err"; then
		echo "FAILED $name: the replay did not succeed"
		sed 's/^/    /' "$tmp/err"
		failed=$((failed + 1))
	elif [ "$golden" = yes ]; then
		cp "$tmp/out" "$name.expect"
		passed=$((passed + 1))
	elif [ ! -e "$name.expect" ]; then
		echo "FAILED $name: there is no $name.expect; 'make golden' writes it, for review"
		failed=$((failed + 1))
	elif ! diff -u "$name.expect" "$tmp/out" >"$tmp/diff"; then
		echo "FAILED $name:"
		sed 's/^/    /' "$tmp/diff"
		failed=$((failed + 1))
	else
		passed=$((passed + 1))
	fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
