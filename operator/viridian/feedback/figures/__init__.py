"""What is read out of the database: sums for windows, and the training rows of a run."""
