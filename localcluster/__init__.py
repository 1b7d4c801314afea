"""A real Kubernetes on this computer, for the demo, the tests and the benchmarks.

Only the standard library is used, so that ``python3 -m localcluster`` runs before anything is installed.
"""
