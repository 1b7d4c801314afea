"""The collector: rows a second, the join of a million rows, what is left when it was killed, what it takes on disk."""
