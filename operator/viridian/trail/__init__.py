"""The trail of audit: which changes of a model's life were seen, numbered, one entry for each. Pure."""
