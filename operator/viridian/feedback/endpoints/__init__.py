"""The HTTP endpoints of the collector: the interface for programs and the review page."""
