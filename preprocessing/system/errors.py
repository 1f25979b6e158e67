"""The one exception that means: the input is at fault, not the program."""


class InputError(Exception):
    """Something the user gave is unusable.

    The message is a single line that names the file or flag, says what came and
    what is allowed. Commands print it after `error:` and end with exit status 1.
    """
