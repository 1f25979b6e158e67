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
        function: of a part; gives nested tensors, floating.
        batch: nested tensors, floating, whose first axis is the pairs, a multiple of
            `parts`.
        parts: how many.
    """
    if parts == 1:
        return function(batch)
    total: Any = None
    for index in range(parts):
        part = tf.nest.map_structure(lambda value, i=index: value[i::parts], batch)
        if index == 0:
            total = function(part)
        else:
            values = function(_after(total, part))
            total = tf.nest.map_structure(tf.add, total, values)
    return tf.nest.map_structure(lambda value: value / parts, total)


def _after(before: Any, tensors: Any) -> Any:
    """Returns tensors as they are, but not until others are there.

    No part may begin before the one before has given back its memory. XLA passes over
    control dependencies, so that this is one of data: a 0 that is not known to be one.
    """
    some = [tf.reshape(tensor, [-1])[0] for tensor in tf.nest.flatten(before)]
    zero = tf.minimum(tf.abs(tf.add_n(some)), 0.0)
    return tf.nest.map_structure(lambda x: x + tf.cast(zero, x.dtype), tensors)
