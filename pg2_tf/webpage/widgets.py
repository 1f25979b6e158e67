"""The parts that the page is laid out with."""

import json
from typing import Any

import gradio as gr
import numpy as np

from pg2_tf.webpage import parts


def component(name: str, value: str, label: str) -> gr.HTML:
    """Returns a part of our own, from its HTML, CSS and script; see `parts.read`."""
    part = parts.read(name)
    return gr.HTML(
        value,
        html_template=part.html,
        css_template=part.css,
        js_on_load=part.js,
        label=label,
        show_label=True,
        container=True,
        elem_classes="part",
    )


def picker(label: str, pictures: dict[str, np.ndarray]) -> gr.HTML:
    """Returns a gallery of uint8 pictures by name, one of which can be chosen."""
    shown = [
        {"name": name, "image": parts.data_address(picture)}
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


def on(event: Any, call: Any, inputs: list[Any], outputs: list[Any]) -> None:
    """Connects an event to what answers it, for this page alone."""
    event(call, inputs, outputs, api_visibility="private", show_progress="minimal")
