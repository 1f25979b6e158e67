"""Actions of the page, independent of its layout: files and choices in, images out.

Messages of `InputError` are shown in the page, with the visitor's file names.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLongError
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from pg2_tf.inference.inputs import Images
from pg2_tf.inference.loading import Model
from pg2_tf.posing import named_poses, photo, retargeting
from pg2_tf.posing.photo import Estimator, Person
from pg2_tf.posing.results import Result
from pg2_tf.posing.retargeting import Target
from pg2_tf.posing.target_poses import TargetReader, named_target
from preprocessing.images import drawing, image_files, video
from preprocessing.poses import keypoints as kp
from preprocessing.sources.samples import Notes
from preprocessing.synthetic import scenes
from preprocessing.synthetic.looks import random_person
from preprocessing.synthetic.poses import random_body_pose
from preprocessing.system.errors import InputError

# Photos stay in memory as long as their visitor stays.
_MOST_PIXELS = 4_000_000
_MOST_FRAMES = 48
# Frames of a sequence that are generated before they are shown.
_FRAMES_AT_ONCE = 4
# Height of shown images in pixels; small ones are enlarged by a whole number.
_SHOWN = 512

_DRAWN_PEOPLE = 4
# Apart from the streams of `sources.synthetic`: nobody that a model was trained on.
_STREAM = (0, 0, 4)
_SMALLEST_DRAWN = 256

Answer = TypeVar("Answer")


class Worker:
    """One thread that runs the visitors' jobs one after the other.

    Models and estimators of TensorFlow Lite are not thread-safe.

    Args:
        seconds: Time limit of a visitor's request.
    """

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._thread = ThreadPoolExecutor(max_workers=1)

    def begin(self) -> "Turn":
        """Returns a visitor's turn; its time starts now."""
        return Turn(self._thread, self._seconds)


class Turn:
    """A visitor's request, with its deadline."""

    def __init__(self, thread: ThreadPoolExecutor, seconds: float):
        self._thread = thread
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def run(self, job: Callable[[], Answer]) -> Answer:
        """Runs a part of the request in the worker's thread.

        A job that has started cannot be cancelled; its result is discarded.

        Raises:
            InputError: The deadline has passed.
        """
        future: Future[Answer] = self._thread.submit(job)
        try:
            return future.result(max(0.0, self._end - time.monotonic()))
        except TooLongError as error:
            if future.done():  # The job's own error.
                raise
            future.cancel()
            raise InputError(
                f"this takes longer than the limit of {self._seconds:g} seconds"
            ) from error


class Found(NamedTuple):
    """The people in a photo.

    Attributes:
        person: The chosen person.
        people: Everybody's poses, from left to right, float32 [18, 3] each.
        number: Number of `person` from the left, from 1.
    """

    person: Person
    people: list[np.ndarray]
    number: int


class Placed(NamedTuple):
    """Poses in the image that is generated.

    Attributes:
        poses: float32 [N, 18, 3].
        frames_per_second: Speed of a sequence; 0 for a single pose.
        message: A remark for the visitor, or "".
    """

    poses: np.ndarray
    frames_per_second: float
    message: str


class Step(NamedTuple):
    """Images so far; None for those that are not generated yet, or never are.

    Attributes:
        skeleton: The pose, uint8 [H, W, 3].
        coarse: Image of stage I.
        difference: Half of refined minus coarse, plus 128.
        result: Image of the last stage, or the photo that holds it.
    """

    skeleton: np.ndarray
    coarse: np.ndarray | None = None
    difference: np.ndarray | None = None
    result: np.ndarray | None = None


class Frames(NamedTuple):
    """Progress of a sequence.

    Attributes:
        made: Number of generated frames.
        of: Number of all frames.
        last: The last one, uint8 [H, W, 3].
        gif: The complete sequence as an animated GIF, None before.
    """

    made: int
    of: int
    last: np.ndarray
    gif: bytes | None = None


class Handlers:
    """Runs the visitors' actions.

    Args:
        model: Generates the images.
        estimator: Returns the pose estimator; called at the first photo.
        seconds: Time limit of one action.
    """

    def __init__(
        self,
        model: Model,
        *,
        estimator: Callable[[], Estimator],
        seconds: float,
    ):
        self.model = model
        self._estimator = estimator
        self._worker = Worker(seconds)

    def find(self, path: str | Path) -> Found:
        """Finds the people in a photo, and chooses the largest.

        Raises:
            InputError: No image, nobody in it, or the time limit.
        """
        path = Path(path)

        def look() -> tuple[np.ndarray, list[np.ndarray]]:
            pixels, _ = image_files.read_bounded(path, most_pixels=_MOST_PIXELS)
            return pixels, photo.find_people(pixels, self._estimator())

        with _visitors_name(path):
            pixels, people = self._worker.begin().run(look)
            if not people:
                raise InputError(
                    f"{path.name}: no person found in this photo; crop it closer to "
                    "the person, or use another photo"
                )
            return self._choose(path.name, pixels, people, photo.largest(people))

    def choose(self, found: Found, number: int) -> Found:
        """Chooses another person of the photo, by number from the left, from 1."""
        person = found.person
        return self._choose(person.name, person.photo, found.people, number - 1)

    def read_pose(self, path: str | Path) -> tuple[Target, str]:
        """Reads a pose, or a sequence of them, from a photo, video or pose file.

        Returns:
            The poses, and a remark for the visitor, or "".

        Raises:
            InputError: No pose in the file, a damaged file, or the time limit.
        """
        path, notes = Path(path), Notes()
        reader = TargetReader(
            self._estimator,
            notes=notes,
            pose_size=self.model.image_size,
            most_frames=_MOST_FRAMES,
        )
        with _visitors_name(path):
            (target,) = self._worker.begin().run(lambda: reader.read(str(path)))
        return target, "; ".join(notes.lines()).replace(str(path), path.name)

    def place(self, person: Person, target: Target, retarget: str) -> Placed:
        """Places a target's poses on a person; see `photo.place`.

        Raises:
            InputError: No keypoints to compare the bodies by, or a pose outside the
                image.
        """
        if not retargeting.comparable(target.poses, person.pose_in_crop):
            raise InputError(
                f"too few joints of the person in {person.name} were found for the "
                f"pose {target.name}; use another photo or pose"
            )
        poses, factor = photo.place(person, target, retarget=retarget)
        message = f"The pose was scaled down to {factor:.0%} to fit in the image."
        rate = target.frames_per_second
        return Placed(poses, rate, message if factor < 1 else "")

    def generate(
        self, person: Person, pose: np.ndarray, *, paste_back: bool = False
    ) -> Iterator[Step]:
        """Generates an image of a person in a pose.

        Args:
            person: The person in the photo.
            pose: Target pose, float32 [18, 3] in pixels of the crop.
            paste_back: Whether the result is the whole photo.

        Yields:
            The skeleton; the coarse image, if the model gives it earlier; everything.

        Raises:
            InputError: The time limit.
        """
        turn = self._worker.begin()
        size = self.model.image_size
        step = Step(drawing.draw_pose(pose, size=size, scale=self._scale))
        yield step
        for result in self._stages(turn, person, pose[None]):
            step = step._replace(**result.intermediate(0))
            if "refined" in result.images or self.model.stage == 1:
                step = step._replace(result=result.shown(0, paste_back=paste_back))
            else:
                step = step._replace(coarse=result.images["coarse"][0])
            yield step

    def play(
        self, person: Person, placed: Placed, *, paste_back: bool = False
    ) -> Iterator[Frames]:
        """Generates images of a person in the poses of a sequence.

        Yields:
            The progress, after every few frames.

        Raises:
            InputError: The time limit.
        """
        turn, frames = self._worker.begin(), []
        count = len(placed.poses)
        for start in range(0, count, _FRAMES_AT_ONCE):
            some = placed.poses[start : start + _FRAMES_AT_ONCE]
            result = self._result(person, some, turn.run(self._run(person, some)))
            frames += [
                _as_shown(result.shown(frame, paste_back=paste_back))
                for frame in range(len(some))
            ]
            if len(frames) < count:
                yield Frames(len(frames), count, frames[-1])
        rate = placed.frames_per_second
        gif = turn.run(lambda: video.write_gif(frames, frames_per_second=rate))
        yield Frames(count, count, frames[-1], gif)

    def shown(self, found: Found) -> np.ndarray:
        """Returns the photo with the person's skeleton, uint8 [H, W, 3]."""
        pixels = found.person.photo
        picture = _as_shown(pixels)
        size, shown = pixels.shape[:2], picture.shape[:2]
        pose = kp.resize(found.person.pose, size=size, new_size=shown)
        return drawing.draw_pose(pose, size=shown, scale=1, image=picture)

    def _choose(
        self, name: str, pixels: np.ndarray, people: list[np.ndarray], index: int
    ) -> Found:
        person = photo.find_person(
            pixels, self.model.image_size, name=name, pose=people[index]
        )
        return Found(person, people, index + 1)

    def _stages(
        self, turn: Turn, person: Person, poses: np.ndarray
    ) -> Iterator[Result]:
        """Yields the result of each stage as it is ready; of exports all at once."""
        by_stage = getattr(self.model, "generate_by_stage", None)
        if by_stage is None:
            yield self._result(person, poses, turn.run(self._run(person, poses)))
            return
        stages = by_stage(person.crop[None], poses)
        for _ in range(self.model.stage):
            yield self._result(person, poses, turn.run(lambda: next(stages)))

    def _run(self, person: Person, poses: np.ndarray) -> Callable[[], Images]:
        crops = np.repeat(person.crop[None], len(poses), axis=0)
        return lambda: self.model(crops, poses)

    def _result(self, person: Person, poses: np.ndarray, images: Images) -> Result:
        target = Target("pose", poses, self.model.image_size)
        return Result(person, target, poses, images)

    @property
    def _scale(self) -> int:
        return max(1, _SHOWN // self.model.image_size[0])


def drawn_people(image_size: tuple[int, int]) -> list[Found]:
    """Draws people in the proportions of a model's images, to start with."""
    scale = max(1, -(-_SMALLEST_DRAWN // image_size[0]))
    size = (image_size[0] * scale, image_size[1] * scale)
    return [_drawn_person(n, size, image_size) for n in range(_DRAWN_PEOPLE)]


def offered_poses() -> list[Target]:
    """Returns the poses with a name, then the motions."""
    names = (*named_poses.NAMES, *named_poses.MOTIONS)
    return [target for name in names if (target := named_target(name)) is not None]


def _drawn_person(
    number: int, size: tuple[int, int], image_size: tuple[int, int]
) -> Found:
    rng = np.random.default_rng([number, *_STREAM])
    person, background = random_person(rng), scenes.random_background(rng)
    body_pose = random_body_pose(rng, facing="front")
    pixels, pose = scenes.draw(person, body_pose, size=size, background=background)
    name = f"drawn person {number + 1}"
    found = photo.find_person(pixels, image_size, name=name, pose=pose, crop="none")
    return Found(found, [pose], 1)


def _as_shown(image: np.ndarray) -> np.ndarray:
    """Returns an image of any size, about 512 pixels high."""
    factor = _SHOWN / image.shape[0]
    factor = float(int(factor)) if factor >= 1 else factor
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return image_files.resize(image, (height, width))


@contextmanager
def _visitors_name(path: Path) -> Iterator[None]:
    """Names an uploaded file in errors by the visitor's name for it."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error).replace(str(path), path.name)) from error
