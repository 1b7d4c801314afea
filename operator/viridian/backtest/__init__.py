"""What monitors and triggers would have done on stored windows: the rules of the operator, on the past."""
