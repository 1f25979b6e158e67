"""Lists the commands, or runs one: `python -m pg2_tf train --dataset=market1501`."""

import ast
import runpy
import sys
from pathlib import Path

from pg2_tf import __version__

_PACKAGES = ("pg2_tf", "preprocessing")
_ROOT = Path(__file__).parents[1]
_USAGE = "usage: pg2 COMMAND [--flag=value ...]; pg2 COMMAND --help lists the flags"


def main() -> None:
    """Runs the command that the first argument names, with the other arguments."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        print(_USAGE, *(f"  {c:<16}{line}" for c, line in _described()), sep="\n")
        return
    if name == "--version":
        print(f"pg2-tf {__version__}")
        return
    commands = commands_by_name()
    if name not in commands:
        sys.exit(f"error: {name}: not a command; allowed: {', '.join(commands)}")
    sys.argv[:2] = [f"pg2 {name}"]
    runpy.run_module(commands[name], run_name="__main__", alter_sys=False)


def commands_by_name() -> dict[str, str]:
    """Returns the modules of all commands by the name of the command."""
    return {
        path.stem: f"{package}.{path.stem}"
        for package in _PACKAGES
        for path in sorted((_ROOT / package).glob("*.py"))
        if 'if __name__ == "__main__":' in path.read_text("utf-8")
        and path.name != "__main__.py"
    }


def _described() -> list[tuple[str, str]]:
    """Returns each command and the first line of its docstring, without importing."""
    described = []
    for name, module in commands_by_name().items():
        text = (_ROOT / Path(*module.split("."))).with_suffix(".py").read_text("utf-8")
        docstring = ast.get_docstring(ast.parse(text)) or ""
        described.append((name, docstring.splitlines()[0]))
    return described


if __name__ == "__main__":
    main()
