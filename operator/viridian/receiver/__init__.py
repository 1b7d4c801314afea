"""The receiver of events: an HTTP port of the operator that stores what it is sent before it acknowledges it."""
