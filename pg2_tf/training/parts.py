"""A step on a batch in parts, one after the other, that need less memory."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def in_parts(function: Callable[[Any], Any], batch: Any, parts: int) -> Any:
    """Returns the mean of what a function gives for equal parts of a batch.

    Losses that are means over the pairs of a batch, and their gradients, come out as
    for the whole batch. Part i holds the pairs i, i + parts, and so on, so that the
    parts of several devices together hold the pairs that one device's would.

    Args:
        function: of a part; gives nested tensors.
        batch: nested tensors whose first axis is the pairs, a multiple of `parts`.
        parts: how many.
    """
    if parts == 1:
        return function(batch)
    total: Any = None
    for index in range(parts):
        # No part may begin before the one before has given back its memory.
        with tf.control_dependencies(tf.nest.flatten(total) if index else []):
            part = tf.nest.map_structure(
                lambda value, i=index: tf.identity(value[i::parts]), batch
            )
        values = function(part)
        total = tf.nest.map_structure(tf.add, total, values) if index else values
    return tf.nest.map_structure(lambda value: value / parts, total)
