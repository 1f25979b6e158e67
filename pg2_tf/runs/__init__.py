"""Run folders: configuration, checkpoints and weights on disk."""
