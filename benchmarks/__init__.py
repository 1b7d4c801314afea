"""What is measured, each by its own module; `make bench` runs those that need nothing but this project."""
