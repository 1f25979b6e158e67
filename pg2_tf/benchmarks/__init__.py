"""Benchmarks of this machine, run by `pg2_tf.benchmark`."""
