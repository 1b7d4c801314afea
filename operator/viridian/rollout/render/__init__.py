"""The objects of a ModelDeployment, as they are applied."""
