"""What the page does, apart from how it looks: files and choices in, pictures out.

Messages of `InputError` are for the page: they name files as the visitor does.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pg2_tf.inference.loading import Model
from pg2_tf.posing import finding as crowd
from pg2_tf.posing import photo as photos
from pg2_tf.posing import retargeting
from pg2_tf.posing.photo import Person
from pg2_tf.posing.target_poses import Target, TargetReader
from pg2_tf.posing.transfer import Result
from pg2_tf.webpage.limits import Turn, Worker
from preprocessing.images import drawing as pictures
from preprocessing.images import image_files as images
from preprocessing.images import video
from preprocessing.poses import keypoints as kp
from preprocessing.sources.samples import Notes
from preprocessing.system.errors import InputError

# Photos are kept for as long as their visitor stays.
_MOST_PIXELS = 4_000_000
_MOST_FRAMES = 48
# So many frames of a sequence are made before they are shown.
_FRAMES_AT_ONCE = 4
# Height in pixels of pictures; small ones are made larger by a whole number.
_SHOWN = 512


class Found(NamedTuple):
    """A photo's person.

    Attributes:
        person: who was taken.
        people: everybody's poses, from left to right, float32 [18, 3] each.
        number: which of them `person` is, from 1 on.
    """

    person: Person
    people: list[np.ndarray]
    number: int


class Placed(NamedTuple):
    """Poses in the image that is to be made.

    Attributes:
        poses: float32 [N, 18, 3].
        frames_per_second: of a sequence; 0 for a single pose.
        message: what there is to say, or "".
    """

    poses: np.ndarray
    frames_per_second: float
    message: str


class Step(NamedTuple):
    """What there is to see so far; None what is not there yet or not made.

    Attributes:
        skeleton: of the pose, uint8 [H, W, 3].
        coarse: stage I's image.
        difference: half of refined less coarse, around grey.
        result: the last stage's image.
    """

    skeleton: np.ndarray
    coarse: np.ndarray | None = None
    difference: np.ndarray | None = None
    result: np.ndarray | None = None


class Frames(NamedTuple):
    """How far a sequence has come.

    Attributes:
        made: frames so far.
        of: frames in all.
        last: the last one, uint8 [H, W, 3].
        gif: the whole as an animated GIF, None before it is complete.
    """

    made: int
    of: int
    last: np.ndarray
    gif: bytes | None = None


class Handlers:
    """Does what visitors of the page ask for.

    Args:
        model: makes the images.
        estimator: returns what finds people in photos; called at the first photo.
        seconds: how long a visitor waits for one thing at most.
    """

    def __init__(
        self,
        model: Model,
        *,
        estimator: Callable[[], crowd.Estimator],
        seconds: float,
    ):
        self.model = model
        self._estimator = estimator
        self._worker = Worker(seconds)

    def find(self, path: str | Path) -> Found:
        """Finds the people in a photo, and takes the largest.

        Raises:
            InputError: no image, nobody in it, or it takes too long.
        """
        path = Path(path)

        def look() -> tuple[np.ndarray, list[np.ndarray]]:
            photo, _ = images.read_bounded(path, most_pixels=_MOST_PIXELS)
            return photo, crowd.find_people(photo, self._estimator())

        with _named(path):
            photo, people = self._worker.begin().run(look)
            if not people:
                raise InputError(
                    f"{path.name}: no person found in this photo; crop it nearer to "
                    "the person, or take another"
                )
            return self._choose(path.name, photo, people, crowd.largest(people))

    def choose(self, found: Found, number: int) -> Found:
        """Takes another person of the photo, counted from the left, from 1 on."""
        person = found.person
        return self._choose(person.name, person.photo, found.people, number - 1)

    def read_pose(self, path: str | Path) -> tuple[Target, str]:
        """Reads a pose, or a sequence of them, from a photo, video or pose file.

        Returns:
            The poses, and what there is to say, or "".

        Raises:
            InputError: the file shows no pose, is damaged, or it takes too long.
        """
        path, notes = Path(path), Notes()
        reader = TargetReader(
            self._estimator,
            notes=notes,
            pose_size=self.model.image_size,
            most_frames=_MOST_FRAMES,
        )
        with _named(path):
            (target,) = self._worker.begin().run(lambda: reader.read(str(path)))
        return target, "; ".join(notes.lines()).replace(str(path), path.name)

    def place(self, person: Person, target: Target, retarget: str) -> Placed:
        """Gives a target's poses to a person; see `photo.place`.

        Raises:
            InputError: the pose and the person have nothing in common to compare, or
                the pose would be outside of the image.
        """
        if not retargeting.comparable(target.poses, person.pose_in_crop):
            raise InputError(
                f"too little was found of the person in {person.name} to give them "
                f"the pose {target.name}; take another photo or pose"
            )
        poses, shrunk = photos.place(person, target, retarget=retarget)
        message = f"The pose was made smaller, {shrunk:.0%}, to be in the image."
        rate = target.frames_per_second
        return Placed(poses, rate, message if shrunk < 1 else "")

    def generate(
        self, person: Person, pose: np.ndarray, *, paste_back: bool = False
    ) -> Iterator[Step]:
        """Puts a person into a pose, float32 [18, 3] in pixels of the crop.

        Args:
            person: of the photo.
            pose: to put them in.
            paste_back: whether the result is the whole photo.

        Yields:
            The skeleton, then everything.

        Raises:
            InputError: it takes too long.
        """
        turn = self._worker.begin()
        size = self.model.image_size
        step = Step(pictures.draw_pose(pose, size=size, scale=self._scale))
        yield step
        made = self._transfer(turn, person, pose[None])
        result = made.shown(0, paste_back=paste_back)
        yield step._replace(**made.intermediate(0), result=result)

    def play(
        self, person: Person, placed: Placed, *, paste_back: bool = False
    ) -> Iterator[Frames]:
        """Puts a person into the poses of a sequence.

        Yields:
            How far it has come, a few frames at a time.

        Raises:
            InputError: it takes too long.
        """
        turn, frames = self._worker.begin(), []
        count = len(placed.poses)
        for start in range(0, count, _FRAMES_AT_ONCE):
            some = placed.poses[start : start + _FRAMES_AT_ONCE]
            made = self._transfer(turn, person, some)
            frames += [
                _as_shown(made.shown(frame, paste_back=paste_back))
                for frame in range(len(some))
            ]
            if len(frames) < count:
                yield Frames(len(frames), count, frames[-1])
        rate = placed.frames_per_second
        gif = turn.run(lambda: video.write_gif(frames, frames_per_second=rate))
        yield Frames(count, count, frames[-1], gif)

    def shown(self, found: Found) -> np.ndarray:
        """Returns the photo with the person's skeleton, uint8 [H, W, 3]."""
        photo = found.person.photo
        picture = _as_shown(photo)
        size, shown = photo.shape[:2], picture.shape[:2]
        pose = kp.resize(found.person.pose, size=size, new_size=shown)
        return pictures.draw_pose(pose, size=shown, scale=1, image=picture)

    def _choose(
        self, name: str, photo: np.ndarray, people: list[np.ndarray], index: int
    ) -> Found:
        person = photos.find_person(
            photo, self.model.image_size, name=name, pose=people[index]
        )
        return Found(person, people, index + 1)

    def _transfer(self, turn: Turn, person: Person, poses: np.ndarray) -> Result:
        crops = np.repeat(person.crop[None], len(poses), axis=0)
        target = Target("pose", poses, self.model.image_size)
        images = turn.run(lambda: self.model(crops, poses))
        return Result(person, target, poses, images)

    @property
    def _scale(self) -> int:
        return max(1, _SHOWN // self.model.image_size[0])


def _as_shown(image: np.ndarray) -> np.ndarray:
    """Returns an image of any size, about 512 pixels high."""
    factor = _SHOWN / image.shape[0]
    factor = float(int(factor)) if factor >= 1 else factor
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return images.resize(image, (height, width))


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Names an uploaded file in errors as the visitor knows it."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error).replace(str(path), path.name)) from error
