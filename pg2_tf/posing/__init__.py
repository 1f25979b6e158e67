"""From a photo and a pose to an image of the person in that pose."""
