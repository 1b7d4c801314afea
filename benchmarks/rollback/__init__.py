"""How Viridian, Argo Rollouts and Flagger take a bad version back: one node, one application, the same users."""
