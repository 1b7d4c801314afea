"""Who calls over HTTP, and how often: shared by the collector and the receiver of events."""
