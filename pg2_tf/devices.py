"""What this machine's devices are good at."""

from pathlib import Path

import tensorflow as tf

# Instructions without which bfloat16 on a CPU is slower than float32.
_CPU_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def resolve_precision(name: str) -> str:
    """Returns `float32` or `bfloat16`; `auto` is what this machine is fast at."""
    if name != "auto":
        return name
    return "bfloat16" if has_fast_bfloat16() else "float32"


def make_deterministic(wanted: bool | None = None) -> None:
    """Makes every operation give the same result each time, bit for bit.

    Args:
        wanted: whether to; None: where there is no GPU, as it costs nothing there.
    """
    if wanted or (wanted is None and not tf.config.list_physical_devices("GPU")):
        tf.config.experimental.enable_op_determinism()


def has_fast_bfloat16() -> bool:
    """True if the GPUs, or without one the CPU, compute in bfloat16 natively."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        return all(d.get("compute_capability", (0, 0))[0] >= 8 for d in details)
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return False
    words = info.read_text(encoding="utf-8", errors="replace").split()
    return not _CPU_FLAGS.isdisjoint(words)
