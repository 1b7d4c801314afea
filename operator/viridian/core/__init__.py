"""What a decision is made of: a plan, written down as data before anything is done."""
