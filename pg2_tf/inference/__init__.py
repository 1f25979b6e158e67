"""Loads trained models of every kind."""
