"""A service whose body fails."""

zero = 0
1 / zero
