"""Serves the page on this computer, without requests to any other."""

import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pg2_tf.posing.target_poses import named_target
from pg2_tf.webpage import parts
from pg2_tf.webpage.handlers import Handlers
from preprocessing.images import image_files
from preprocessing.system.errors import InputError

# The browser refuses requests to other servers.
_SOURCES = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]


def serve(
    handlers: Handlers, *, host: str, port: int, megabytes: float, api: bool = False
) -> None:
    """Serves the page until it is interrupted.

    Uploaded files are kept in a temporary folder, which is deleted at the end.

    Args:
        handlers: Run the visitors' actions.
        host: Address to listen at.
        port: Port to listen at.
        megabytes: Largest file that is accepted.
        api: Whether other sites can embed the page, and programs can call it
            (`gradio_client`, endpoint `/generate`).

    Raises:
        InputError: The address is not available, or Gradio is not installed.
    """
    # Ends in an exception, so that the folder is deleted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="pg2_tf_demo_") as folder:
        stop = start(
            handlers, Path(folder), host=host, port=port, megabytes=megabytes, api=api
        )
        try:
            print(f"http://{host}:{port} (Ctrl-C ends it)", flush=True)
            threading.Event().wait()
        finally:
            stop()


def start(
    handlers: Handlers,
    folder: Path,
    *,
    host: str,
    port: int,
    megabytes: float,
    api: bool = False,
) -> Callable[[], None]:
    """Serves the page from threads; see `serve`.

    Args:
        handlers: Run the visitors' actions.
        folder: Folder of the visitors' files.
        host: Address to listen at.
        port: Port to listen at.
        megabytes: Largest file that is accepted.
        api: Whether other sites can embed the page and programs can call it.

    Returns:
        A function that stops the server.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    try:
        # Here, because Gradio reads the environment when it is imported.
        import gradio as gr
        from starlette.middleware import Middleware

        from pg2_tf.webpage.page import Page
    except ImportError as error:
        raise InputError(
            f"the page needs Gradio ({error}): pip install 'pg2-tf[demo]'"
        ) from error
    blocks = Page(handlers, folder=folder).build()
    if api:
        with blocks:
            _offer_api(handlers, folder)
    blocks.queue(max_size=20, default_concurrency_limit=2)
    try:
        blocks.launch(
            server_name=host,
            server_port=port,
            max_file_size=round(megabytes * 1024**2),
            theme=gr.themes.Default(
                primary_hue="blue", neutral_hue="zinc", font=_FONTS
            ),
            css=parts.text("page.css"),
            app_kwargs={"middleware": [Middleware(_Policy, embedded=api)]},
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
        )
    except OSError as error:
        raise InputError(f"--host={host} --port={port}: {error}") from error
    return lambda: blocks.close(verbose=False)


def check_free(host: str, port: int) -> None:
    """Raises `InputError` if a port of an address is not available."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise InputError(
            f"--host={host} --port={port}: not available ({error.strerror}); "
            "give another --port"
        ) from error


def _offer_api(handlers: Handlers, folder: Path) -> None:
    """Adds the endpoint `/generate` for programs to the page."""
    import gradio as gr

    from pg2_tf.webpage.page import POSE_FILES, write_file

    def generate(
        photo: str | None,
        pose: str = "standing",
        pose_file: str | None = None,
        retarget: str = "scale",
        paste_back: bool = False,
    ) -> str:
        try:
            name, content = _generated_file(
                handlers, photo, pose, pose_file, retarget, paste_back
            )
        except InputError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return str(write_file(folder, name, content))

    with gr.Row(visible=False):
        inputs = [
            gr.File(label="photo", file_types=list(image_files.SUFFIXES)),
            gr.Textbox("standing", label="pose"),
            gr.File(label="pose_file", file_types=POSE_FILES),
            gr.Radio(["scale", "limbs"], value="scale", label="retarget"),
            gr.Checkbox(False, label="paste_back"),
        ]
        image, button = gr.File(label="image"), gr.Button("Generate a file")
    button.click(
        generate,
        inputs,
        image,
        api_name="generate",
        api_description="A PNG image of the person of a photo in a pose; an animated "
        "GIF for a motion or a video. pose is a name (python -m pg2_tf.generate "
        "--list_poses); pose_file, a photo, video or pose file, replaces it.",
    )


def _generated_file(
    handlers: Handlers,
    photo: str | None,
    pose: str,
    pose_file: str | None,
    retarget: str,
    paste_back: bool,
) -> tuple[str, bytes]:
    """Returns name and content of the file that a program asks for."""
    if not photo:
        raise InputError("photo is needed: an image file")
    # Never the path of a file on this computer.
    target: Any = named_target(pose)
    if pose_file:
        target, _ = handlers.read_pose(pose_file)
    if target is None:
        raise InputError(f"pose {pose}: no pose has this name; see --list_poses")
    person = handlers.find(photo).person
    placed = handlers.place(person, target, retarget)
    if target.is_sequence:
        *_, frames = handlers.play(person, placed, paste_back=paste_back)
        return "person.gif", frames.gif or b""
    *_, step = handlers.generate(person, placed.poses[0], paste_back=paste_back)
    assert step.result is not None
    return "person.png", image_files.encode_png(step.result)


class _Policy:
    """Adds the content security policy to every answer.

    Args:
        app: Application that answers.
        embedded: Whether other sites can show the page in a frame.
    """

    def __init__(self, app: Any, *, embedded: bool):
        self._app = app
        ancestors = "*" if embedded else "'none'"
        self._policy = f"{_SOURCES}; frame-ancestors {ancestors}".encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", self._policy)
                message = {**message, "headers": [*message["headers"], policy]}
            await send(message)

        await self._app(scope, receive, with_policy)
