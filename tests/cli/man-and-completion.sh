# Manual pages and bash completion know every command and every option that --help lists.
"$TOP/scripts/man-pages.sh" "$(command -v iommusim)" man
. "$TOP/share/completions/iommusim.bash"
compopt() { :; } # not inside a completion here

# What bash would offer for these words; the last one is being typed.
offered() {
	COMP_WORDS=("$@")
	COMP_CWORD=$(($# - 1))
	_iommusim iommusim
	printf '%s\n' "${COMPREPLY[@]}"
}
commands=$(iommusim --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p')
offered iommusim '' | sort >offered
printf '%s\n' --help --version $commands | sort | diff - offered
for command in $commands; do
	# Options as --help spells them: "-o, --output=FILE", "--json".
	iommusim "$command" --help | sed -n '/^Options:/,/^$/s/^ *\(-[a-zA-Z], \)\{0,1\}\(--[^ ]*\).*/\1\2/p' >options
	[ -s options ] || echo "$command: --help lists no options"
	sed -n 's/\\-/-/g; s/^\\fB\(-.*\)\\fR$/\1/p' "man/iommusim-$command.1" | diff options - ||
		echo "$command: the manual page's options differ"
	sed 's/^-., //; s/=.*/=/' options | sort >long
	offered iommusim "$command" -- | sort | diff long - || echo "$command: completion differs"
	# Everything else of --help is there too: details and examples.
	for section in NAME SYNOPSIS DESCRIPTION OPTIONS EXAMPLES 'EXIT STATUS' 'SEE ALSO'; do
		grep -q "^\\.SH $section\$" "man/iommusim-$command.1" || echo "$command: no section $section"
	done
	echo "$command: $(wc -l <options) options"
done
# Values of choices are offered too.
offered iommusim import --from = tr
ls man | wc -l
