"""What starts a run: one file for each source of triggers, and what holds for all of them."""
