"""Pose Guided Person Image Generation (Ma et al., NIPS 2017) in TensorFlow 2."""

import os

__version__ = "0.1.0"

# Must be set before TensorFlow is imported; errors still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
