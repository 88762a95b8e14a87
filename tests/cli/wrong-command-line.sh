# Mistakes on the command line: status 2, what was found, what was meant, where help is.
expect_status 2 iommusim
expect_status 2 iommusim imprt
expect_status 2 iommusim --verison
expect_status 2 iommusim nothing-like-it
expect_status 2 iommusim info
expect_status 2 iommusim info one two
expect_status 2 iommusim info --jsno recording.imt
expect_status 2 iommusim info -z recording.imt
expect_status 2 iommusim cat --limit=many recording.imt
expect_status 2 iommusim cat --limit
expect_status 2 iommusim cat --from=2us --to=1us recording.imt
expect_status 2 iommusim cat does-not-exist.imt
expect_status 2 iommusim import
expect_status 2 iommusim import --guest does-not-exist.txt
expect_status 2 iommusim import --json --guest "$TOP/README.md"
printf 'no trace.dat\n' >text
expect_status 2 iommusim import --from trace-dat --guest text
expect_status 2 iommusim import --from tracedat --guest text
expect_status 2 iommusim generate
