"""What is observed of predictions: profiles, rows for the collector, traces."""
