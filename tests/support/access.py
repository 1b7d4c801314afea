"""Who may reach the management port of model servers, in the tests that make NetworkPolicies."""

from viridian.rollout.snapshot import Access

ACCESS = Access("viridian-system", ({"namespaceSelector": {"matchLabels": {"team": "monitoring"}}},))
