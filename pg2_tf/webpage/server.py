"""Serves the page on this computer, and nothing of it to anywhere else."""

import os
import signal
import socket
import tempfile
import threading
from pathlib import Path

from pg2_tf.webpage import parts
from pg2_tf.webpage.handlers import Handlers
from preprocessing.errors import InputError

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
    check_free(host, port)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="pg2_tf_demo_") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
        _serve(handlers, Path(folder), host=host, port=port, megabytes=megabytes)


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


def _serve(
    handlers: Handlers, folder: Path, *, host: str, port: int, megabytes: float
) -> None:
    try:
        # Here, so that its settings are read from the environment above.
        import gradio as gr
        from starlette.middleware import Middleware
    except ImportError as error:
        raise InputError(
            "the page needs Gradio: pip install 'pg2-tf[demo]'"
        ) from error
    from pg2_tf.webpage.page import Page

    blocks = Page(handlers, folder=folder).build()
    blocks.queue(max_size=20, default_concurrency_limit=2)
    blocks.launch(
        server_name=host,
        server_port=port,
        max_file_size=round(megabytes * 1024**2),
        theme=gr.themes.Default(primary_hue="blue", neutral_hue="zinc", font=_FONTS),
        css=parts.text("page.css"),
        app_kwargs={"middleware": [Middleware(_Policy)]},
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        share=False,
        quiet=True,
        prevent_thread_lock=True,
    )
    print(f"http://{host}:{port} (Ctrl-C ends it)", flush=True)
    try:
        threading.Event().wait()
    finally:
        blocks.close(verbose=False)


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
