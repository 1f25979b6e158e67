"""Turns images and OpenPose keypoints into TFRecord shards."""

import os

__version__ = "0.2.0"

# Hides TensorFlow's start-up messages; errors still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
