"""Images and OpenPose keypoints in, TFRecord shards out."""

import os

# TensorFlow's start-up messages would drown the report; errors still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
