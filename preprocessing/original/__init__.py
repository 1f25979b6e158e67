"""TFRecords and pickles of the authors' released code."""
