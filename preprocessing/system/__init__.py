"""Errors, files, downloads and the command line."""
