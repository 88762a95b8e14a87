#!/usr/bin/env bash
# Includes only point downwards: cmd, analysis, sim, then hw and traces, which do not know each
# other; hw/base is for everybody. With --count ends with "N passed, M failed", one per rule.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 3
passed=0
failed=0

# may_not FOLDER REGEX: no file in FOLDER includes a path that REGEX matches.
may_not() {
	local folder=$1 pattern=$2 found

	[ -d "$folder" ] || return 0
	found=$(grep -rnE --include='*.[ch]' "^[[:space:]]*#[[:space:]]*include[[:space:]]*\"($pattern)" "$folder")
	if [ -n "$found" ]; then
		echo "FAILED $folder/ includes what lies above it or beside it:"
		printf '    %s\n' "$found"
		failed=$((failed + 1))
	else
		passed=$((passed + 1))
	fi
}

may_not hw '(\.\./)*(sim|analysis|cmd|traces|tests)/'
may_not hw/base '(\.\./)*(sim|analysis|cmd|traces|tests|hw/[^b]|hw/b[^a]|hw/[a-z_]+\.h)'
may_not traces '(\.\./)*(sim|analysis|cmd|tests|hw/[^b]|hw/b[^a]|hw/[a-z_]+\.h)'
may_not sim '(\.\./)*(analysis|cmd|tests)/'
may_not analysis '(\.\./)*(cmd|tests)/'
may_not cmd '(\.\./)*tests/'

[ "${1-}" != --count ] || echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
