# Reads a cover profile and fails unless every statement in it was run. A
# block occurs once per test program; it counts as run if any of them ran it.
FNR == 1 { next }
{
	blocks[$1] = $2
	runs[$1] += $3
}
END {
	for (block in blocks) {
		total += blocks[block]
		if (runs[block] == 0) {
			missed += blocks[block]
			print "not tested: " block | "sort"
		}
	}
	close("sort")
	if (total == 0) {
		print "cover: the profile is empty"
		exit 1
	}
	printf "cover: %d of %d statements of the verifier and the machines are tested\n", total - missed, total
	exit missed > 0
}
