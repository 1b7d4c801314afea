"""The init step: brings the files of a model into a directory and verifies them."""
