"""The directory of a model version: what it contains, and whether it may be trusted."""
