"""The loop: what wakes it, the queue, observe, decide, act, and what it tells about itself."""
