"""What the tests of the sources share."""


def touch(root, *names):
    """Writes files below `root` that hold their own names; returns `root`."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def write(path, *lines):
    """Writes a text file; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path
