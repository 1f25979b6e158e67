"""Figures for papers, as vector graphics and as pixels."""
