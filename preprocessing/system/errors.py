"""The exception for bad input."""


class InputError(Exception):
    """Input of the user cannot be used.

    The message is a single line that names the file or flag, says what came and
    what is allowed. Commands print it after `error:` and end with exit status 1.
    """
