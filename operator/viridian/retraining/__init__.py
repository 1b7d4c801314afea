"""Pure: what a RetrainPolicy's world shows -> what to do next. Start reading in `decide`."""
