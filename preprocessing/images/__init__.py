"""Image files, framing, heatmaps, masks and drawing."""
