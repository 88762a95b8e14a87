# Every command that --help lists explains itself, on stdout, with examples and status 0.
iommusim --help
echo "status $?"
iommusim --version | grep -c '^iommusim [0-9]*\.[0-9]*\.[0-9]*$'
for command in $(iommusim --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p'); do
	expect_status 0 iommusim "$command" --help >help 2>errors
	printf '%s: ' "$command"
	grep -c "^Usage: iommusim $command " help
	grep -c "^  iommusim $command" help | sed 's/^[1-9][0-9]*$/has examples/'
	cat errors
	expect_status 0 iommusim help "$command" | cmp help -
done
