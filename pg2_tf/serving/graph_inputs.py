"""What a signature takes, checked and fitted inside the graph.

A server passes on what it is sent: shapes that a signature promises are not enforced
before the graph runs, and would fail deep inside with a message about convolutions.
"""

import re
from collections.abc import Mapping

import tensorflow as tf

MOST_PIXELS = 25_000_000

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_SIGNATURE = b"\xff\xd8\xff"
# Longer than what is read of a file before it is known to be whole.
_PADDING = b"\0" * 32


def check_batch(
    tensors: Mapping[str, tf.Tensor], shapes: Mapping[str, tuple[int, ...]]
) -> list[tf.Tensor]:
    """Checks that tensors have their shapes, and one batch size.

    Args:
        tensors: by the name of the input, [B, ...].
        shapes: of each, without the batch.

    Returns:
        The tensors in the same order. Where a check fails, they raise
        `tf.errors.InvalidArgumentError`, which says what came and what is needed.
    """
    # Without static shapes: they would make the checks vanish from the graph.
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


def decode_and_fit(
    content: tf.Tensor, keypoints: tf.Tensor, size: tuple[int, int]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes images and brings them to a size, their keypoints with them.

    What has another size is padded to the proportions, its border repeated, and then
    resized, as `preprocessing.images.framing` does with `pad`. Shrunk images are equal
    within a grey level; enlarged ones are not, because OpenCV has another cubic kernel.

    Args:
        content: bytes of JPEG or PNG files, string [B].
        keypoints: in pixels of these images, float32 [B, 18, 3].
        size: height and width wanted.

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
        f"{one}: a batch of {{}}, {other}: of {{}}; as many are needed, at least 1",
        counts,
    )
    fits = (counts[0] == counts[1]) & (counts[0] > 0)
    return tf.debugging.Assert(fits, [message])


def _decode(content: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    start = content + _PADDING
    is_jpeg = tf.strings.substr(start, 0, 3) == _JPEG_SIGNATURE
    is_png = tf.strings.substr(start, 0, 8) == _PNG_SIGNATURE
    known = tf.debugging.Assert(
        is_jpeg | is_png, ["image_bytes: neither a JPEG nor a PNG file"]
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
    """Height and width that the first chunk of a PNG file declares, int32 [2]."""
    declared = tf.strings.substr(content, 16, 8)
    return tf.io.decode_raw(declared, tf.int32, little_endian=False)[::-1]


def _few_pixels(given: tf.Tensor, size: tuple[int, int]) -> tf.Operation:
    """Asserts that neither the image nor its frame is too large to be decoded."""
    pixels = tf.reduce_prod(tf.cast(_framed(given, size), tf.float64))
    message = tf.strings.format(
        "image_bytes: an image of (height, width) {}, framed to the model's "
        f"proportions, has more than {MOST_PIXELS:,} pixels",
        given,
    )
    few = tf.reduce_all(given > 0) & (pixels <= MOST_PIXELS)
    return tf.debugging.Assert(few, [message])


def _framed(given: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Height and width of the smallest frame of the proportions, int64 [2]."""
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
