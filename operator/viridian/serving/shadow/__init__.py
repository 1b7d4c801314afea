"""Shadowing: requests are copied to the challenger, and its responses compared with the champion's."""
