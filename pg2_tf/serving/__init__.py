"""Export to TensorFlow Serving and LiteRT, and the client."""
