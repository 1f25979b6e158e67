"""Turns a photo and a pose into an image of the person in this pose."""
