"""The page: its layout in Gradio, and which handler each event calls."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from pg2_tf.posing.photo import Person
from pg2_tf.posing.retargeting import Target
from pg2_tf.webpage import handlers, parts
from pg2_tf.webpage.handlers import Found, Frames, Handlers, Placed, Step
from preprocessing.images import drawing, image_files, video
from preprocessing.system import files
from preprocessing.system.errors import InputError

TITLE = "A person in another pose"
_RETARGET = [("the person's size", "scale"), ("their limb lengths too", "limbs")]
POSE_FILES = [*image_files.SUFFIXES, *video.SUFFIXES, ".json"]
_DROPPED: dict[str, Any] = {"height": 150, "elem_classes": "dropped"}
# Duration of messages, in seconds.
_READ = 15
# A visitor's state is dropped after so many seconds.
_STAY = 3600
# Background of the poses to choose from, a grey level.
_LIGHT = 238


class Page:
    """The page.

    Args:
        actions: Run the visitors' actions.
        folder: Folder of the files to download.
    """

    def __init__(self, actions: Handlers, *, folder: Path):
        self._handlers = actions
        self._folder = folder
        self._people = handlers.drawn_people(actions.model.image_size)
        self._poses = handlers.offered_poses()

    def build(self) -> gr.Blocks:
        """Lays out the page."""
        with gr.Blocks(title=TITLE, delete_cache=(_STAY, _STAY)) as blocks:
            model = self._handlers.model
            height, width = model.image_size
            gr.HTML(
                f"<h1>{TITLE}</h1><p>Nothing leaves this computer. Model: "
                f"{model.describe}, {height}x{width} pixels.</p>",
                elem_id="heading",
            )
            with gr.Row(elem_id="steps"):
                with gr.Column(min_width=290, elem_id="person"):
                    self._lay_out_person()
                with gr.Column(min_width=290, elem_id="pose"):
                    self._lay_out_pose()
                with gr.Column(min_width=290, elem_id="result"):
                    self._lay_out_result()
            self._connect()
        return blocks

    def _lay_out_person(self) -> None:
        first = self._people[0]
        self._found = gr.State(first, time_to_live=_STAY)
        gr.Markdown("### 1 · Person")
        self._photo = gr.File(
            label="Drop a photo", file_types=list(image_files.SUFFIXES), **_DROPPED
        )
        self._shown = gr.Image(
            self._handlers.shown(first),
            **parts.picture("The person found", "photo", 330),
        )
        self._number = gr.Radio(label="Which person, from the left", visible=False)
        pictures = {str(i): f.person.photo for i, f in enumerate(self._people, 1)}
        self._drawn = parts.picker("Or a drawn person", pictures)

    def _lay_out_pose(self) -> None:
        first = self._poses[-1]
        placed = self._handlers.place(self._people[0].person, first, "scale")
        self._target = gr.State(first, time_to_live=_STAY)
        self._placed = gr.State(placed, time_to_live=_STAY)
        gr.Markdown("### 2 · Pose")
        skeleton = parts.pose_to_page(placed.poses[0], self._people[0].person.crop)
        self._joints = parts.component("joints", skeleton, "Drag the joints")
        pictures = {_caption(t): _thumbnail(t) for t in self._poses}
        self._named = parts.picker("Or choose a pose", pictures)
        self._pose_file = gr.File(
            label="Or take it from a photo, video or pose file",
            file_types=POSE_FILES,
            **_DROPPED,
        )
        self._retarget = gr.Radio(
            _RETARGET, value="scale", label="The skeleton gets", elem_id="retarget"
        )

    def _lay_out_result(self) -> None:
        gr.Markdown("### 3 · Result")
        with gr.Row():
            self._generate = gr.Button("Generate", variant="primary", min_width=120)
            self._play = gr.Button("Play", min_width=120)
        self._paste = gr.Checkbox(label="Put it back into the photo", elem_id="paste")
        self._status = gr.Markdown("", elem_id="status")
        self._result = gr.Image(**parts.picture("Result", "refined", 400))
        self._download = gr.DownloadButton("Download", interactive=False)
        names = ("skeleton", "coarse", "difference")
        with gr.Row(elem_id="between"):
            self._between = [
                gr.Image(min_width=80, **parts.picture(name.capitalize(), name, 190))
                for name in names
            ]

    def _connect(self) -> None:
        person = [
            *(self._found, self._placed, self._joints, self._shown, self._number),
            *(self._photo, self._play),
        ]
        chosen = [self._target, self._retarget]
        _on(self._photo.upload, self._take_photo, [self._photo, *chosen], person)
        _on(self._drawn.select, self._take_drawn, chosen, person)
        _on(
            self._number.input,
            self._take_number,
            [self._number, self._found, *chosen],
            person,
        )
        pose = [
            *(self._target, self._placed, self._joints, self._pose_file, self._play)
        ]
        chosen = [self._found, self._retarget]
        _on(self._named.select, self._take_named, chosen, pose)
        _on(self._pose_file.upload, self._take_file, [self._pose_file, *chosen], pose)
        _on(self._retarget.input, self._place_again, [self._target, *chosen], pose)
        made = [*self._between, self._result, self._download, self._status]
        asked = [self._found, self._joints, self._paste]
        _on(self._generate.click, self._make, asked, made)
        asked = [self._found, self._placed, self._paste]
        _on(self._play.click, self._make_frames, asked, made)

    # Event listeners: each yields values for the outputs in `_connect`.

    def _take_photo(
        self, path: str, target: Target, retarget: str
    ) -> Iterator[dict[Any, Any]]:
        yield {self._photo: None}
        with _errors_shown():
            found = self._handlers.find(path)
            if len(found.people) > 1:
                gr.Info(f"{len(found.people)} people; the largest was chosen.")
            yield self._with_person(found, target, retarget)

    def _take_drawn(
        self, target: Target, retarget: str, chosen: gr.SelectData
    ) -> Iterator[dict[Any, Any]]:
        with _errors_shown():
            yield self._with_person(self._people[chosen.index], target, retarget)

    def _take_number(
        self, number: int, found: Found, target: Target, retarget: str
    ) -> Iterator[dict[Any, Any]]:
        with _errors_shown():
            found = self._handlers.choose(found, number)
            yield self._with_person(found, target, retarget)

    def _with_person(
        self, found: Found, target: Target, retarget: str
    ) -> dict[Any, Any]:
        count = len(found.people)
        choices = list(range(1, count + 1))
        return {
            self._found: found,
            self._shown: self._handlers.shown(found),
            self._number: gr.Radio(
                choices=choices, value=found.number, visible=count > 1
            ),
            **self._with_pose(found.person, target, retarget),
        }

    def _take_named(
        self, found: Found, retarget: str, chosen: gr.SelectData
    ) -> Iterator[dict[Any, Any]]:
        with _errors_shown():
            yield self._with_target(found, self._poses[chosen.index], retarget)

    def _take_file(
        self, path: str, found: Found, retarget: str
    ) -> Iterator[dict[Any, Any]]:
        yield {self._pose_file: None}
        with _errors_shown():
            target, message = self._handlers.read_pose(path)
            if message:
                gr.Info(message)
            yield self._with_target(found, target, retarget)

    def _place_again(
        self, target: Target, found: Found, retarget: str
    ) -> Iterator[dict[Any, Any]]:
        with _errors_shown():
            yield self._with_target(found, target, retarget)

    def _with_target(
        self, found: Found, target: Target, retarget: str
    ) -> dict[Any, Any]:
        return {
            self._target: target,
            **self._with_pose(found.person, target, retarget),
        }

    def _with_pose(
        self, person: Person, target: Target, retarget: str
    ) -> dict[Any, Any]:
        placed = self._handlers.place(person, target, retarget)
        if placed.message:
            gr.Info(placed.message)
        return {
            self._placed: placed,
            self._joints: parts.pose_to_page(placed.poses[0], person.crop),
            self._play: gr.Button(interactive=placed.frames_per_second > 0),
        }

    def _make(
        self, found: Found, dragged: str, paste: bool
    ) -> Iterator[dict[Any, Any]]:
        with _errors_shown():
            size = self._handlers.model.image_size
            pose = parts.pose_from_page(dragged, size)
            yield self._nothing("Generating…")
            for step in self._handlers.generate(found.person, pose, paste_back=paste):
                yield self._with_step(step)
            yield {self._status: ""}
            return
        yield self._nothing("")

    def _with_step(self, step: Step) -> dict[Any, Any]:
        shown = (step.skeleton, step.coarse, step.difference)
        update: dict[Any, Any] = dict(zip(self._between, shown, strict=True))
        if step.result is not None:
            path = self._write("person.png", image_files.encode_png(step.result))
            update[self._result] = str(path)
            update[self._download] = gr.DownloadButton(value=path, interactive=True)
        return update

    def _make_frames(
        self, found: Found, placed: Placed, paste: bool
    ) -> Iterator[dict[Any, Any]]:
        with _errors_shown():
            yield self._nothing("Generating…")
            for frames in self._handlers.play(found.person, placed, paste_back=paste):
                yield self._with_frames(frames)
            return
        yield self._nothing("")

    def _with_frames(self, frames: Frames) -> dict[Any, Any]:
        if frames.gif is None:
            status = f"{frames.made} of {frames.of} frames"
            return {self._result: frames.last, self._status: status}
        path = self._write("person.gif", frames.gif)
        return {
            self._result: str(path),
            self._download: gr.DownloadButton(value=path, interactive=True),
            self._status: "",
        }

    def _nothing(self, status: str) -> dict[Any, Any]:
        empty = dict.fromkeys([*self._between, self._result])
        button = gr.DownloadButton(value=None, interactive=False)
        return {**empty, self._download: button, self._status: status}

    def _write(self, name: str, content: bytes) -> Path:
        return write_file(self._folder, name, content)


def write_file(folder: Path, name: str, content: bytes) -> Path:
    """Writes a file of a visitor to a new folder in `folder`; returns its path."""
    path = Path(tempfile.mkdtemp(dir=folder)) / name
    files.write_bytes(path, content)
    return path


@contextmanager
def _errors_shown() -> Iterator[None]:
    """Shows errors of the visitor's input in the page."""
    try:
        yield
    except InputError as error:
        gr.Warning(str(error), duration=_READ)


def _on(event: Any, call: Any, inputs: list[Any], outputs: list[Any]) -> None:
    """Connects an event to its listener, for the page only."""
    event(call, inputs, outputs, api_visibility="private", show_progress="minimal")


def _caption(target: Target) -> str:
    """Returns a pose's name in the gallery."""
    moves = " (moves)" if target.is_sequence else ""
    return target.name.replace("-", " ") + moves


def _thumbnail(target: Target) -> np.ndarray:
    """Returns the first pose of a target as a picture, uint8 [H, W, 3]."""
    ground = np.full((*target.size, 3), _LIGHT, np.uint8)
    return drawing.draw_pose(target.poses[0], size=target.size, scale=1, image=ground)
