"""The collector: remembers predictions, joins them with what turned out to be true, forgets what it must."""
