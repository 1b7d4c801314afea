"""Who gets the traffic, and how it is split."""
