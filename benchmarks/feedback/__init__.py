"""The collector: rows a second, the join of a million rows, and what is left after it was killed."""
