"""What is decided about the traffic of a ModelDeployment: chains of checks, the first answer decides."""
