"""Who may reach the management port of model servers, in the tests that make NetworkPolicies."""

from viridian.rollout.input import NetworkAccess

ACCESS = NetworkAccess("viridian-system", ({"namespaceSelector": {"matchLabels": {"team": "monitoring"}}},))
