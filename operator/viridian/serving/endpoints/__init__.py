"""The HTTP endpoints of the inference port and the management port."""
