# Test vectors on the models that there are: all agree, and every changed expectation is noticed.
cd "$TOP" || exit
expect_status 0 iommusim vectors --mutate --count tests/vectors/vtd.yaml
expect_status 0 iommusim vectors --mutate tests/vectors/vtd-sequences.yaml
expect_status 0 iommusim vectors --mutate tests/vectors/vtd-ats.yaml
expect_status 0 iommusim vectors --mutate --count --iommu smmuv3 tests/vectors/smmuv3.yaml
expect_status 0 iommusim vectors --mutate tests/vectors/smmuv3-sequences.yaml
# What each file holds, by the table of docs/vectors.md.
row=$(mktemp)
for file in tests/vectors/*.yaml; do
	name=$(basename "$file" .yaml)
	held=$(iommusim vectors --count "$file" | sed -n 's/^holds //p' | tr -cd '0-9,' | tr ',' ' ')
	# shellcheck disable=SC2086 # one column each
	printf '| %s | %s | %s | %s | %s | %s | %s | %s |\n' "$name" $held >"$row"
	grep -qxF "$(cat "$row")" docs/vectors.md || { echo "not in docs/vectors.md:"; cat "$row"; }
done
rm -f "$row"
# Every field of the schema is in the documentation.
grep -oE '"[a-z0-9_]+", HOLDS' analysis/vector_schema.c | cut -d'"' -f2 | sort -u |
	while read -r field; do
		grep -qF "\`$field\`" docs/vectors.md || echo "not in docs/vectors.md: $field"
	done
