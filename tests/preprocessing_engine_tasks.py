"""Tasks for the tests of the engines; light, because every worker imports them."""

import os
import signal
import time

from preprocessing.system.errors import InputError


def square(number, *, log=None):
    if log:
        (log / f"{number}-{os.getpid()}-{time.time_ns()}").touch()
    if number < 0:
        raise InputError(f"{number}: negative")
    return number * number


def die(number):
    os.kill(os.getpid(), signal.SIGKILL)
