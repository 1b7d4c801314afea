"""What the monitors of a ModelDeployment say of its windows: from windows to verdicts, conditions and a status."""
