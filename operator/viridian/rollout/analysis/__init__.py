"""What is known about the answers of a slot, and how it is judged."""
