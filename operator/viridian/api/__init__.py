"""The two kinds, their words and the values that cross the borders between the parts. No I/O here."""
