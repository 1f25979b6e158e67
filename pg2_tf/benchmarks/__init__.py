"""What this machine does in a second, and what bounds it; see `pg2_tf.benchmark`."""
