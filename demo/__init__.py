"""The main job on a real cluster, with a live account of what happens: `make demo`."""
