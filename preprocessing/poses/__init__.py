"""Keypoints, and the files they come in."""
