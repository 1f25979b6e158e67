"""The data set on disk: shards, pair index and manifest."""
