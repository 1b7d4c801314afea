"""One loaded model and the threads on which it predicts."""
