"""Resolvers: each finds out which immutable state a name of data stands for now. One file for each kind of place."""
