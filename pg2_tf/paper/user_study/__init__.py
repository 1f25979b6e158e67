"""The user study of the paper (section 4.4)."""
