"""Training with Keras on JAX, on machines that have no TensorFlow."""
