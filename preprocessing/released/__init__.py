"""What the authors' released code writes: TFRecords, and pickles of poses and pairs."""
