#!/usr/bin/env bash
# The first result: a real recording, replayed on a simulated VT-d, with its worst finding.
#
#   scripts/demo.sh IOMMUSIM FOLDER
set -euo pipefail
iommusim=${1:?usage: scripts/demo.sh IOMMUSIM FOLDER}
folder=${2:?usage: scripts/demo.sh IOMMUSIM FOLDER}
data=tests/data/vtd-6.1-uaf-lazy
recording=$folder/uaf-lazy.imt
store=$folder/results.db

# Shows a command as a user would type it, then runs it.
run() {
	printf '\n$ %s\n' "$*"
	"$@"
}

mkdir -p "$folder"
rm -f "$store"
echo 'A Linux 6.1 guest that flushes its IOTLB lazily, recorded on both sides: the page-table'
echo 'updates by ftrace in the guest, the DMA by the trace events of the emulated VT-d.'
run "$iommusim" import "$data.ftrace.txt.zst" "$data.qemu.log.zst" -o "$recording"
run "$iommusim" replay --machine machines/qemu-7.2-vtd.yaml --store "$store" "$recording"
run "$iommusim" report "$store"
run "$iommusim" explain "$store" worst
cat <<END

The results are in $store, an SQLite file. What to try next:
  $iommusim info $recording
  $iommusim models
  $iommusim report --json $store
  $iommusim COMMAND --help
END
