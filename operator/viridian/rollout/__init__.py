"""ModelDeployment: from a snapshot of its world to a plan. Pure: the same snapshot and time give the same plan."""
