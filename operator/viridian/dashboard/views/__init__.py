"""What pages show, as plain values: computed from objects, without HTML and without I/O."""
