"""Viridian's model server beside what one would use instead, on one core and the same models."""
