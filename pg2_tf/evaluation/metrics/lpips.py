"""LPIPS, a perceptual distance of images (Zhang et al. 2018).

Version 0.1 with AlexNet: both images pass the five convolutions of AlexNet (Krizhevsky
2014, in torchvision's version). At each position the features after each ReLU are
normalised to length 1; their squared differences, weighted by channel, are averaged
over the positions and summed over the five layers. Equal images have distance 0.
"""

from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from preprocessing.system import files
from preprocessing.system.errors import InputError

# Number in torchvision's name of a convolution, filters, kernel size, stride.
_CONVOLUTIONS = (
    (0, 64, 11, 4),
    (3, 192, 5, 1),
    (6, 384, 3, 1),
    (8, 256, 3, 1),
    (10, 256, 3, 1),
)
_PADDING = {11: 2, 5: 2, 3: 1}
# Convolutions that follow a max pooling of 3x3, stride 2.
_POOLED = (3, 6)
# Mean and standard deviation of ImageNet, for RGB in [-1, 1].
_SHIFT = np.array([-0.030, -0.088, -0.188], np.float32)
_SCALE = np.array([0.458, 0.448, 0.450], np.float32)
_EPSILON = 1e-10
# Smallest side in pixels; smaller images vanish in the second pooling.
SMALLEST = 31
_BATCH = 16
_CONVERSION = (
    "numpy.savez('FILE.npz', **{k: v.numpy() for k, v in torch.load('FILE.pth', "
    "map_location='cpu', weights_only=True).items()})"
)


class Lpips:
    """The distance, with its weights loaded.

    Args:
        network: Network of `build_alexnet_distance`.
        checksums: SHA-256 of the weight files, by `alexnet` and `linear`.
    """

    def __init__(self, network: keras.Model, *, checksums: dict[str, str]):
        self.checksums = checksums
        self._network = network

    @classmethod
    def load(cls, alexnet_path: str | Path, linear_path: str | Path) -> "Lpips":
        """Loads the weights.

        Args:
            alexnet_path: Torchvision's AlexNet for ImageNet as `.npz`:
                `features.{0,3,6,8,10}.weight` [filters, channels, side, side] and
                `.bias` [filters]; other arrays are ignored.
            linear_path: `v0.1/alex.pth` of the lpips package as `.npz`:
                `lin{0,1,2,3,4}.model.1.weight` [1, filters, 1, 1].

        Raises:
            InputError: A file cannot be read, or an array is missing or has another
                shape.
        """
        paths = {"alexnet": Path(alexnet_path), "linear": Path(linear_path)}
        weights = {part: _read(path) for part, path in paths.items()}
        network = build_alexnet_distance()
        for layer in network.layers:
            part = "linear" if layer.name.startswith("linear") else "alexnet"
            layer.set_weights(
                [
                    _in_keras_order(paths[part], weights[part], name, weight.shape)
                    for name, weight in zip(
                        _names(layer.name), layer.weights, strict=True
                    )
                ]
            )
        checksums = {part: files.sha256(path) for part, path in paths.items()}
        return cls(network, checksums=checksums)

    def __call__(self, images: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Compares images pair by pair.

        Args:
            images, targets: uint8 [B, H, W, 3], RGB, of at least 31x31 pixels.

        Returns:
            float64 [B], 0 or more.

        Raises:
            InputError: The images are too small.
        """
        _check_images(images, targets)
        parts = [
            self._network.predict_on_batch(
                [
                    images[start : start + _BATCH].astype(np.float32),
                    targets[start : start + _BATCH].astype(np.float32),
                ]
            )
            for start in range(0, len(images), _BATCH)
        ]
        return np.concatenate(parts).astype(np.float64).sum(axis=1)


def build_alexnet_distance() -> keras.Model:
    """Builds the network: two images [B, H, W, 3] of 0 to 255 to distances [B, 5].

    The distances are those of the five layers; LPIPS is their sum.
    """
    pair = [keras.Input((None, None, 3), name=name) for name in ("image", "target")]
    scaled = [(x / 127.5 - 1 - _SHIFT) / _SCALE for x in pair]
    distances: list[keras.KerasTensor] = []
    for number, filters, side, stride in _CONVOLUTIONS:
        if number in _POOLED:
            scaled = [layers.MaxPooling2D(3, 2)(x) for x in scaled]
        pad = layers.ZeroPadding2D(_PADDING[side])
        convolve = layers.Conv2D(
            filters, side, stride, activation="relu", name=f"features_{number}"
        )
        scaled = [convolve(pad(x)) for x in scaled]
        first, second = (x / (_length(x) + _EPSILON) for x in scaled)
        weigh = layers.Conv2D(1, 1, use_bias=False, name=f"linear_{len(distances)}")
        distances.append(ops.mean(weigh(ops.square(first - second)), axis=(1, 2)))
    return keras.Model(pair, ops.concatenate(distances, axis=1), name="lpips")


def _length(features):
    return ops.sqrt(ops.sum(ops.square(features), axis=-1, keepdims=True))


def _names(layer: str) -> list[str]:
    """Returns PyTorch's names of a layer's weights, in Keras's order."""
    part, _, number = layer.partition("_")
    if part == "features":
        return [f"features.{number}.weight", f"features.{number}.bias"]
    return [f"lin{number}.model.1.weight"] if part == "linear" else []


def _read(path: Path) -> dict[str, np.ndarray]:
    if path.suffix in (".pth", ".pt"):
        raise InputError(f"{path}: convert it to .npz, with PyTorch: {_CONVERSION}")
    return files.read_arrays(path)


def _in_keras_order(
    path: Path, weights: dict[str, np.ndarray], name: str, shape: tuple[int, ...]
) -> np.ndarray:
    if name not in weights:
        raise InputError(f"{path}: has no array {name}")
    found = weights[name]
    needed = (shape[3], shape[2], *shape[:2]) if len(shape) == 4 else tuple(shape)
    if found.shape != needed:
        raise InputError(
            f"{path}: its {name} is {list(found.shape)}, needed {list(needed)}"
        )
    return found.transpose(2, 3, 1, 0) if found.ndim == 4 else found


def _check_images(images: np.ndarray, targets: np.ndarray) -> None:
    for given in (images, targets):
        if given.dtype != np.uint8 or given.ndim != 4 or given.shape[-1] != 3:
            raise ValueError(
                f"images {given.dtype} {given.shape}, needed uint8 [B, H, W, 3]"
            )
    if images.shape != targets.shape:
        raise ValueError(f"images {images.shape} and targets {targets.shape} differ")
    if min(images.shape[1:3]) < SMALLEST:
        height, width = images.shape[1:3]
        raise InputError(
            f"images of {height}x{width}; LPIPS needs at least {SMALLEST}x{SMALLEST}"
        )
