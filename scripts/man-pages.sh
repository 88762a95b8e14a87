#!/bin/sh
# Writes iommusim.1 and iommusim-COMMAND.1 for every command that `iommusim --help` lists.
#
#   scripts/man-pages.sh IOMMUSIM FOLDER
set -eu
iommusim=${1:?usage: scripts/man-pages.sh IOMMUSIM FOLDER}
folder=${2:?usage: scripts/man-pages.sh IOMMUSIM FOLDER}
awk_script=$(dirname "$0")/help-to-man.awk
version=$("$iommusim" --version | sed 's/^iommusim //')
mkdir -p "$folder"

# page NAME [COMMAND]: a help text that fails ends the script, so no empty page is installed.
page() {
	name=$1
	shift
	"$iommusim" "$@" --help >"$folder/$name.help"
	awk -v name="$name" -v version="$version" -f "$awk_script" "$folder/$name.help" >"$folder/$name.1"
	rm -f "$folder/$name.help"
}

page iommusim
"$iommusim" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p' | while read -r command; do
	page "iommusim-$command" "$command"
done
