"""Serves the page on this computer, and nothing of it to anywhere else."""

import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from pg2_tf.webpage import parts
from pg2_tf.webpage.handlers import Handlers
from preprocessing.system.errors import InputError

# The browser refuses whatever a library would fetch from elsewhere.
_POLICY = (
    b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    b"frame-ancestors 'none'"
)
_FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]


def serve(handlers: Handlers, *, host: str, port: int, megabytes: float) -> None:
    """Serves the page until it is interrupted.

    What visitors upload is kept in a temporary folder, and deleted at the end.

    Args:
        handlers: of the page.
        host: the address to listen at.
        port: to listen at.
        megabytes: the largest file that is taken.

    Raises:
        InputError: the address cannot be listened at, or Gradio is not installed.
    """
    # So that the folder goes with the process.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="pg2_tf_demo_") as folder:
        stop = start(handlers, Path(folder), host=host, port=port, megabytes=megabytes)
        try:
            print(f"http://{host}:{port} (Ctrl-C ends it)", flush=True)
            threading.Event().wait()
        finally:
            stop()


def start(
    handlers: Handlers, folder: Path, *, host: str, port: int, megabytes: float
) -> Callable[[], None]:
    """Serves the page from threads of its own; see `serve`.

    Args:
        handlers: of the page.
        folder: keeps what visitors upload and download.
        host: the address to listen at.
        port: to listen at.
        megabytes: the largest file that is taken.

    Returns:
        What stops it.
    """
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    try:
        # Here, so that Gradio finds the environment above.
        import gradio as gr
        from starlette.middleware import Middleware

        from pg2_tf.webpage.page import Page
    except ImportError as error:
        raise InputError(
            f"the page needs Gradio ({error}): pip install 'pg2-tf[demo]'"
        ) from error
    blocks = Page(handlers, folder=folder).build()
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
            app_kwargs={"middleware": [Middleware(_Policy)]},
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
    """Raises `InputError` where nobody can listen at a port of an address."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise InputError(
            f"--host={host} --port={port}: cannot be listened at ({error.strerror}); "
            "give another --port"
        ) from error


class _Policy:
    """Adds the content security policy to every answer."""

    def __init__(self, app):
        self._app = app

    async def __call__(self, scope, receive, send):
        async def with_policy(message):
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", _POLICY)
                message = {**message, "headers": [*message["headers"], policy]}
            await send(message)

        await self._app(scope, receive, with_policy)
