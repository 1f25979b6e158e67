"""Pose estimation with MoveNet."""
