"""Checks inputs inside the served graph, and resizes images and keypoints.

A server does not check the shapes that a signature promises. Without these checks a
wrong shape would fail in a convolution with an unclear message, and wrong value ranges
would give wrong images.
"""

import re
from collections.abc import Mapping

import tensorflow as tf

MOST_PIXELS = 25_000_000
# Allows for rounding in the client's conversion.
_SIGNED_LIMIT = 1.001

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_SIGNATURE = b"\xff\xd8\xff"
# Appended, so that the header can be read from a file that is cut off.
_PADDING = b"\0" * 32


def check_batch(
    tensors: Mapping[str, tf.Tensor], shapes: Mapping[str, tuple[int, ...]]
) -> list[tf.Tensor]:
    """Checks that tensors have the given shapes and the same batch size.

    Args:
        tensors: The inputs by name, each [B, ...].
        shapes: The shape of each input without the batch dimension.

    Returns:
        The tensors in the same order. Evaluating them raises
        `tf.errors.InvalidArgumentError` if a check fails; the message contains the
        given and the needed shape.
    """
    # TensorFlow would remove the checks if it knew static shapes.
    given = {
        name: tf.raw_ops.PlaceholderWithDefault(
            input=tensor, shape=tf.TensorShape(None)
        )
        for name, tensor in tensors.items()
    }
    checks = [_has_shape(name, given[name], shape) for name, shape in shapes.items()]
    with tf.control_dependencies(checks):
        checks = [_same_batch(given)]
    with tf.control_dependencies(checks):
        checked = [tf.identity(tensor) for tensor in given.values()]
    for tensor, shape in zip(checked, shapes.values(), strict=True):
        tensor.set_shape((None, *shape))
    return checked


def check_signed(name: str, values: tf.Tensor) -> tf.Tensor:
    """Checks that images or heatmaps have values in [-1, 1], and not in [0, 1].

    Args:
        name: Name of the input, for messages.
        values: float32 [B, H, W, C].

    Returns:
        The values. Evaluating them raises `tf.errors.InvalidArgumentError` if a value
        lies outside [-1, 1], or if an image has no value below 0.
    """
    least = tf.reduce_min(values, axis=[1, 2, 3])
    most = tf.reduce_max(values, axis=[1, 2, 3])
    limits = tf.stack([tf.reduce_min(least), tf.reduce_max(most)])
    given = tf.strings.format(f"{name}: values from {{}}, ", limits)
    # A NaN fails both comparisons.
    within = tf.reduce_all((least >= -_SIGNED_LIMIT) & (most <= _SIGNED_LIMIT))
    outside = tf.strings.join([given, "needed values in [-1, 1]"])
    unsigned = tf.strings.join(
        [
            given,
            "without any below 0 in an image; needed [-1, 1], this looks like [0, 1]",
        ]
    )
    checks = [
        tf.debugging.Assert(within, [outside]),
        tf.debugging.Assert(tf.reduce_all(least < 0), [unsigned]),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(values)


def check_keypoints(keypoints: tf.Tensor) -> tf.Tensor:
    """Checks that keypoints are in pixels, and not fractions of the image size.

    Args:
        keypoints: x, y and confidence, float32 [B, 18, 3].

    Returns:
        The keypoints. Evaluating them raises `tf.errors.InvalidArgumentError` if all
        found keypoints of a pose, two or more, have x and y between 0 and 1.
    """
    found = keypoints[..., 2] > 0
    small = tf.reduce_all(
        (keypoints[..., :2] >= 0) & (keypoints[..., :2] <= 1), axis=-1
    )
    several = tf.reduce_sum(tf.cast(found, tf.int32), axis=1) >= 2
    fractions = several & tf.reduce_all(small | ~found, axis=1)
    message = (
        "keypoints: x and y of all found keypoints are between 0 and 1, which looks "
        "like fractions of the image size; needed: pixels"
    )
    check = tf.debugging.Assert(~tf.reduce_any(fractions), [message])
    with tf.control_dependencies([check]):
        return tf.identity(keypoints)


def decode_and_fit(
    content: tf.Tensor, keypoints: tf.Tensor, size: tuple[int, int]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes images and resizes them together with their keypoints.

    An image of another size is padded to the model's proportions by repeating its
    border, then resized, as in `preprocessing.images.framing`. Shrunk images agree with
    it within one grey level. Enlarged images differ more, because OpenCV uses another
    cubic kernel.

    Args:
        content: JPEG or PNG files, string [B].
        keypoints: Keypoints in pixels of these images, float32 [B, 18, 3].
        size: Height and width of the result in pixels.

    Returns:
        uint8 [B, height, width, 3] and float32 [B, 18, 3].
    """
    signature = (
        tf.TensorSpec((*size, 3), tf.uint8),
        tf.TensorSpec((18, 3), tf.float32),
    )

    def one(pair: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        image = _decode(pair[0], size)
        return tf.cond(
            tf.reduce_all(tf.shape(image) == (*size, 3)),
            lambda: (image, pair[1]),
            lambda: _fit(image, pair[1], size),
        )

    images, poses = tf.map_fn(one, (content, keypoints), fn_output_signature=signature)
    return images, poses


def _has_shape(name: str, tensor: tf.Tensor, shape: tuple[int, ...]) -> tf.Operation:
    given = tf.strings.format("{}", tf.shape(tensor), summarize=-1)
    sizes = [str(size) for size in shape]
    needed = ", ".join(["B", *sizes])
    message = tf.strings.join([f"{name}: shape ", given, f", needed [{needed}]"])
    pattern = re.escape("[") + " ".join([r"\d+", *sizes]) + re.escape("]")
    return tf.debugging.Assert(tf.strings.regex_full_match(given, pattern), [message])


def _same_batch(tensors: Mapping[str, tf.Tensor]) -> tf.Operation:
    one, other = tensors
    counts = [tf.shape(tensor)[0] for tensor in tensors.values()]
    message = tf.strings.format(
        f"{one}: batch size {{}}, {other}: batch size {{}}; needed: equal, at least 1",
        counts,
    )
    fits = (counts[0] == counts[1]) & (counts[0] > 0)
    return tf.debugging.Assert(fits, [message])


def _decode(content: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    start = content + _PADDING
    is_jpeg = tf.strings.substr(start, 0, 3) == _JPEG_SIGNATURE
    is_png = tf.strings.substr(start, 0, 8) == _PNG_SIGNATURE
    known = tf.debugging.Assert(
        is_jpeg | is_png, ["image_bytes: not a JPEG or PNG file"]
    )
    with tf.control_dependencies([known]):
        given = tf.cond(
            is_jpeg,
            lambda: tf.image.extract_jpeg_shape(content)[:2],
            lambda: _png_size(start),
        )
    with tf.control_dependencies([_few_pixels(given, size)]):
        # The accurate method decodes a JPEG as OpenCV does, to the last grey level.
        return tf.cond(
            is_jpeg,
            lambda: tf.io.decode_jpeg(
                content, channels=3, dct_method="INTEGER_ACCURATE"
            ),
            lambda: tf.io.decode_png(content, channels=3),
        )


def _png_size(content: tf.Tensor) -> tf.Tensor:
    """Returns height and width from the header of a PNG file, int32 [2]."""
    declared = tf.strings.substr(content, 16, 8)
    return tf.io.decode_raw(declared, tf.int32, little_endian=False)[::-1]


def _few_pixels(given: tf.Tensor, size: tuple[int, int]) -> tf.Operation:
    """Asserts that the image, padded to the model's proportions, is small enough."""
    pixels = tf.reduce_prod(tf.cast(_framed(given, size), tf.float64))
    message = tf.strings.format(
        "image_bytes: an image of (height, width) {}, padded to the model's "
        f"proportions, has more than {MOST_PIXELS:,} pixels",
        given,
    )
    few = tf.reduce_all(given > 0) & (pixels <= MOST_PIXELS)
    return tf.debugging.Assert(few, [message])


def _framed(given: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Returns the smallest padded height and width, int64 [2]."""
    wanted = size[1] / size[0]
    height, width = (tf.cast(given[axis], tf.float64) for axis in (0, 1))
    wide = tf.stack([height, tf.maximum(tf.round(height * wanted), 1.0)])
    tall = tf.stack([tf.maximum(tf.round(width / wanted), 1.0), width])
    return tf.cast(tf.where(width / height < wanted, wide, tall), tf.int64)


def _fit(
    image: tf.Tensor, pose: tf.Tensor, size: tuple[int, int]
) -> tuple[tf.Tensor, tf.Tensor]:
    given = tf.shape(image, tf.int64)[:2]
    framed = _framed(given, size)
    before = (framed - given) // 2
    for axis in (0, 1):
        places = tf.range(framed[axis]) - before[axis]
        image = tf.gather(
            image, tf.clip_by_value(places, 0, given[axis] - 1), axis=axis
        )
    shrinks = tf.reduce_prod(framed) > size[0] * size[1]
    resized = tf.cond(
        shrinks,
        lambda: tf.image.resize(image, size, "area"),
        lambda: tf.image.resize(image, size, "bicubic"),
    )
    pixels = tf.cast(tf.round(tf.clip_by_value(resized, 0, 255)), tf.uint8)
    scale = tf.cast(size, tf.float64) / tf.cast(framed, tf.float64)
    exact = tf.cast(pose, tf.float64)
    left_top = tf.cast(before[::-1], tf.float64)
    places = (exact[:, :2] + left_top + 0.5) * scale[::-1] - 0.5
    moved = tf.concat([places, exact[:, 2:]], axis=1)
    return pixels, tf.cast(moved, tf.float32)
