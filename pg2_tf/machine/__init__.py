"""The machine at hand: devices, memory, and how fast it computes."""
