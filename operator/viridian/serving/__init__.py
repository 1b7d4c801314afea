"""The model server and the step that fetches its model: what runs in the image `server`, alone."""
