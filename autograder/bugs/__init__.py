"""The catalogue of bugs: what proves the checks, names misconceptions and feeds the drills."""
