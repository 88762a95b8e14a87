# What became of each stalled DMA of the scenarios: how many stalled, were held back, ended, and what software did.
for scenario in "$TOP"/tests/scenarios/smmuv3-stall-*.events "$TOP"/tests/scenarios/smmuv3-starved-*.events "$TOP"/tests/scenarios/smmuv3-pri-*.events; do
	read -ra args < <(sed -n '1,20s/^#! args:[[:space:]]*//p' "$scenario")
	echo "== $(basename "$scenario" .events)"
	rm -f s.db
	expect_status 0 iommusim replay "${args[@]}" --store s.db "$scenario" >/dev/null 2>&1
	iommusim dump s.db | grep -oE 'name=([a-z0-9.-]*stall[a-z._]*|held.*|pages.*|timing-artefacts|faults.recorded|.*pri\.[a-z]*) value=[0-9]+'
done
