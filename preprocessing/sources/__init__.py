"""The data sets that can be built, one module each."""
