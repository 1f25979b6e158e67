"""What `import pg2_tf` offers, and what it costs."""

import ast
from pathlib import Path

from pg2_tf_helpers import run_script

import pg2_tf

_PATH = Path(pg2_tf.__file__)


def test_import_needs_neither_tensorflow_nor_keras():
    run_script(
        "import sys, pg2_tf\n"
        "assert dir(pg2_tf)\n"
        "assert not {'tensorflow', 'keras', 'numpy', 'cv2'} & set(sys.modules)"
    )


def test_public_names_exist_and_are_known_to_type_checkers():
    tree = ast.parse(_PATH.read_text("utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == pg2_tf._PUBLIC
    assert set(pg2_tf.__all__) == {"__version__", *typed}
    for name in pg2_tf.__all__:
        assert getattr(pg2_tf, name) is not None
        assert name in dir(pg2_tf)
    assert _PATH.with_name("py.typed").exists()
