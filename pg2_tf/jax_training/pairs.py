"""The training data of a JAX run: one `.npz` file with images, poses and pairs."""

import functools
import zipfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from preprocessing.dataset import pairing
from preprocessing.images import heatmaps, image_files
from preprocessing.poses import keypoints as kp
from preprocessing.sources import synthetic
from preprocessing.sources.samples import Sample
from preprocessing.system import files
from preprocessing.system.errors import InputError

_THREADS = 8


@dataclass(frozen=True)
class EncodedImages:
    """JPEG images of one split, with their poses and pairs.

    Attributes:
        names: Image names, N strings.
        images: JPEG bytes, N of them.
        keypoints: float32 [N, 18, 3]: x, y in pixels, confidence.
        masks: uint8 [N, ceil(H * W / 8)], the pose masks packed by `numpy.packbits`.
        pairs: int32 [P, 2], positions of source and target image.
    """

    names: Sequence[str]
    images: Sequence[bytes]
    keypoints: np.ndarray
    masks: np.ndarray
    pairs: np.ndarray


@dataclass(frozen=True)
class Pairs:
    """Decoded images of one split, with their poses, masks and pairs.

    Attributes:
        names: Image names, N strings.
        images: uint8 [N, H, W, 3].
        keypoints: float32 [N, 18, 3]: x, y in pixels, confidence.
        masks: uint8 [N, ceil(H * W / 8)], the pose masks packed by `numpy.packbits`.
        pairs: int32 [P, 2], positions of source and target image.
    """

    names: Sequence[str]
    images: np.ndarray
    keypoints: np.ndarray
    masks: np.ndarray
    pairs: np.ndarray

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.images.shape[1], self.images.shape[2]


def draw_people(
    identities: int,
    *,
    images_per_identity: int,
    size: tuple[int, int],
    seed: int,
    same_background: bool,
) -> EncodedImages:
    """Draws people on all CPU cores and pairs the images of each, in both orders.

    Args:
        identities: Number of people.
        images_per_identity: Images of each.
        size: Height and width in pixels.
        seed: Seed of everything random.
        same_background: Whether all images of a person have one background.
    """
    samples = list(
        synthetic.samples(
            identities=identities,
            images_per_identity=images_per_identity,
            size=size,
            seed=seed,
            same_background=same_background,
        )
    )
    poses = np.stack([np.asarray(sample.pose, np.float32) for sample in samples])
    with ProcessPoolExecutor() as pool:
        encode = functools.partial(_encode, size=size)
        images, packed = zip(*pool.map(encode, samples, chunksize=64), strict=True)
    pairs = pairing.same_identity_pairs(
        [sample.identity for sample in samples], list(poses), rule="all"
    )
    names = [sample.name for sample in samples]
    return EncodedImages(names, images, poses, np.stack(packed), pairs)


def _encode(sample: Sample, *, size: tuple[int, int]) -> tuple[bytes, np.ndarray]:
    """Returns the JPEG bytes and the packed pose mask of a drawn person."""
    mask = heatmaps.draw_mask(np.asarray(sample.pose), size=size)
    return sample.read(), np.packbits(mask)


def save(path: str | Path, splits: Mapping[str, EncodedImages]) -> None:
    """Writes splits to an `.npz` file, whole or not at all.

    Args:
        path: File to write.
        splits: Data by the name of the split, `train` and `test`.
    """
    arrays: dict[str, Any] = {}
    for split, data in splits.items():
        arrays[f"{split}/names"] = np.array(data.names)
        arrays[f"{split}/sizes"] = np.array([len(each) for each in data.images])
        arrays[f"{split}/jpeg"] = np.frombuffer(b"".join(data.images), np.uint8)
        arrays[f"{split}/masks"] = data.masks
        arrays[f"{split}/keypoints"] = data.keypoints.astype(np.float32)
        arrays[f"{split}/pairs"] = data.pairs.astype(np.int32)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)

    files.write_atomically(path, write)


def load(path: str | Path, split: str) -> Pairs:
    """Reads and decodes one split of an `.npz` file.

    Args:
        path: File that `save` wrote.
        split: `train` or `test`.

    Raises:
        InputError: The file is missing, damaged, has no such split, or its images
            differ in size.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {
                name.removeprefix(f"{split}/"): file[name]
                for name in file.files
                if name.startswith(f"{split}/")
            }
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a readable .npz file ({error})") from error
    if not {"names", "sizes", "jpeg", "keypoints", "masks", "pairs"} <= set(arrays):
        raise InputError(
            f"{path}: has no {split} split; write one with python -m pg2_tf.train_jax "
            "pack or draw"
        )
    names = [str(name) for name in arrays["names"]]
    if not len(arrays["pairs"]):
        raise InputError(f"{path}: the {split} split has no pairs")
    images = _decoded(path, names, arrays["jpeg"].tobytes(), arrays["sizes"])
    keypoints = np.asarray(arrays["keypoints"], np.float32)
    packed = np.asarray(arrays["masks"], np.uint8)
    height, width = images.shape[1:3]
    for name, array, shape in (
        ("keypoints", keypoints, (len(names), kp.NUM_KEYPOINTS, 3)),
        ("masks", packed, (len(names), (height * width + 7) // 8)),
    ):
        if array.shape != shape:
            raise InputError(
                f"{path}: {split}/{name} has the shape {list(array.shape)}, needed "
                f"{list(shape)}"
            )
    return Pairs(names, images, keypoints, packed, arrays["pairs"])


def _decoded(
    path: str | Path, names: Sequence[str], content: bytes, sizes: np.ndarray
) -> np.ndarray:
    ends = np.cumsum(sizes)
    starts = ends - sizes

    def decode(index: int) -> np.ndarray:
        encoded = content[starts[index] : ends[index]]
        return image_files.decode(encoded, name=f"{path}, {names[index]}")

    with ThreadPoolExecutor(_THREADS) as pool:
        images = list(pool.map(decode, range(len(names))))
    shapes = {image.shape for image in images}
    if len(shapes) != 1:
        raise InputError(f"{path}: images differ in size: {sorted(shapes)[:3]}")
    return np.stack(images)
