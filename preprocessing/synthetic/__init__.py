"""Drawn people: the same person in many poses, with exact keypoints."""
