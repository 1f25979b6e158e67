"""Keypoints and pose files."""
