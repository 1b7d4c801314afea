"""What a release needs besides the images: bills of materials, an audit of the pins, signatures."""
