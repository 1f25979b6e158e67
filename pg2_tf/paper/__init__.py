"""The tables, figures and user study of the paper."""
