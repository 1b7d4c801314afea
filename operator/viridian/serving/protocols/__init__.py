"""The prediction protocols: requests are decoded to rows, outputs are encoded to response bodies."""
