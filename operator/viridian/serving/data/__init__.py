"""The rows of a request and the outputs of a model, as arrays."""
