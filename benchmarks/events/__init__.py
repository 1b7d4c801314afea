"""The receiver of events under load, while operators are killed."""
