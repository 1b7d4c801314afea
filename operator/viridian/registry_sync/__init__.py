"""What the registry still has to learn of the decisions about a ModelDeployment. Pure."""
