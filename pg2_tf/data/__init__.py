"""From TFRecord shards to batches of pairs."""
