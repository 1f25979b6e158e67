"""Parts of the page: our components for the browser, and the options of Gradio's."""

import base64
import json
from importlib import resources
from typing import Any

import numpy as np

from pg2_tf.inference.inputs import check_poses
from preprocessing.images import image_files
from preprocessing.images.drawing import keypoint_colour
from preprocessing.poses import keypoints as kp
from preprocessing.system.errors import InputError


def text(name: str) -> str:
    """Returns a file of the page."""
    return (resources.files(__package__) / name).read_text("utf-8")


def component(name: str, value: str, label: str) -> Any:
    """Returns a component of ours, with the files `NAME.html`, `.css` and `.js`.

    Args:
        name: `joints` or `picker`.
        value: JSON for its script.
        label: Shown above it.
    """
    # Here, so that only a served page needs Gradio.
    import gradio as gr

    return gr.HTML(
        value,
        html_template=text(f"{name}.html"),
        css_template=text(f"{name}.css"),
        js_on_load=text(f"{name}.js"),
        label=label,
        show_label=True,
        container=True,
        elem_classes="part",
    )


def picker(label: str, pictures: dict[str, np.ndarray]) -> Any:
    """Returns a gallery to choose from, of uint8 pictures by name."""
    shown = [
        {"name": name, "image": _data_address(picture)}
        for name, picture in pictures.items()
    ]
    return component("picker", json.dumps(shown), label)


def picture(label: str, name: str, height: int) -> dict[str, Any]:
    """Returns the options of an image that is only shown, `height` pixels high."""
    return {
        "label": label,
        "elem_id": name,
        "elem_classes": "picture",
        "height": height,
        "format": "png",
        "interactive": False,
        "buttons": [],
    }


def pose_to_page(pose: np.ndarray, image: np.ndarray) -> str:
    """Returns the value of the component `joints`.

    Args:
        pose: float32 [18, 3], in pixels of the image.
        image: Background, uint8 [H, W, 3].

    Returns:
        JSON: `pose`, `height`, `width`, `image` (a data address), and `names`, `limbs`
        and `colours` of the skeleton.
    """
    height, width = image.shape[:2]
    shown: dict[str, Any] = {
        "pose": np.round(pose.astype(float), 2).tolist(),
        "height": height,
        "width": width,
        "image": _data_address(image),
        "names": [name.replace("_", " ") for name in kp.NAMES],
        "limbs": kp.SKELETON,
        "colours": [
            f"#{bytes(keypoint_colour(i)).hex()}" for i in range(kp.NUM_KEYPOINTS)
        ],
    }
    return json.dumps(shown)


def pose_from_page(content: str, size: tuple[int, int]) -> np.ndarray:
    """Returns the pose that the component `joints` sends.

    Args:
        content: JSON with `pose`; other entries are ignored.
        size: Height and width of the image in pixels.

    Returns:
        float32 [18, 3]; keypoints outside the image are missing.

    Raises:
        InputError: Not a pose, or no keypoint in the image.
    """
    try:
        pose = check_poses(json.loads(content)["pose"], (kp.NUM_KEYPOINTS, 3))
    except (TypeError, ValueError, KeyError, OverflowError, RecursionError) as error:
        raise InputError("the page sent no pose; load the page again") from error
    pose = kp.within(kp.clean(pose), size)
    if not kp.found(pose).any():
        raise InputError("no joint is in the image; choose a pose again")
    return pose


def _data_address(image: np.ndarray) -> str:
    """Returns uint8 [H, W, 3] as an address that contains the image."""
    content = base64.b64encode(image_files.encode_png(image)).decode()
    return f"data:image/png;base64,{content}"
