"""The networks of PG2, their losses and their presets."""
