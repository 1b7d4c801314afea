"""What senders send: requests are read within limits, decoded, checked and stored."""
