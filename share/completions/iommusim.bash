# bash completion for iommusim: commands, options and choices are read from --help, so this file
# need not follow the program.

_iommusim_options() {
	"$1" "$2" --help 2>/dev/null |
		sed -n '/^Options:/,/^$/s/^ *\(-[a-zA-Z], \)\{0,1\}\(--[a-z-]*\)\(=[^ ]*\)\{0,1\}.*/\2\3/p'
}

_iommusim() {
	local program=$1 current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]} options choices option

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "--help --version $("$program" --help 2>/dev/null |
			sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p')" -- "$current")
		return
	fi
	options=$(_iommusim_options "$program" "$command")
	# "--form=te" arrives as three words: "--form", "=", "te".
	[ "$previous" != = ] || previous=${COMP_WORDS[COMP_CWORD - 2]}
	[ "$current" != = ] || current=''
	for option in $options; do
		case $option in
		"$previous="*'|'*)
			choices=${option#*=}
			mapfile -t COMPREPLY < <(compgen -W "${choices//|/ }" -- "$current")
			return
			;;
		esac
	done
	case $current in
	-*)
		mapfile -t COMPREPLY < <(compgen -W "$(printf '%s\n' "$options" | sed 's/=.*/=/')" -- "$current")
		case ${COMPREPLY[0]-} in
		*=) compopt -o nospace ;;
		esac
		;;
	*)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		;;
	esac
}

complete -F _iommusim iommusim
