"""Narrow interfaces to the world, with one real adapter each."""
