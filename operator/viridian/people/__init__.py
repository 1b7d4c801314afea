"""What people see of models and may order about them: shared by the command line and the dashboard."""
