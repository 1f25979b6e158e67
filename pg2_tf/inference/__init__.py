"""Trained models, loaded and ready to generate images."""
