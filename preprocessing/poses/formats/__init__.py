"""Pose file formats, one module each."""
