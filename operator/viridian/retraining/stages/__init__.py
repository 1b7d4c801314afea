"""What a run consists of: one file for each kind of object that can do the work of a stage."""
