"""Built-in data checks: how long they take, and how much memory, beside the same checks in pandas."""
