"""The predictions that people are asked to label."""
