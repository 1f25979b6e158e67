"""Kills a training again and again, and lets it end; a script of the tests. No tests.

python tests/pg2_tf_killing.py RUN DATA STAGE KILLS SEED

Each life of the training is a process that is forked off before TensorFlow has done
anything, so that it need not be imported again. RUN/killed is the training that is
killed, RUN/straight the same without a break; both end at the same step by SIGTERM.
Prints where each life ended.
"""

import os
import random
import shutil
import signal
import sys
import threading
import time
import traceback
from functools import partial
from pathlib import Path

import tensorflow as tf
from pg2_tf_helpers import steps_kept, train

from pg2_tf.training.callbacks import Cadence
from pg2_tf.training.log import Log
from pg2_tf.training.stepper import Stepper

_EVERY = Cadence(log_every=2, sample_every=5, validate_every=4, checkpoint_every=3)
_STEPS = 2000
_OPTIONS = {
    "schedule": "cosine",
    "warm_up": 5,
    "ema": 0.9,
    "clip_norm": 1.0,
    "validation_fraction": 0.3,
}
_PATIENCE = 600


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def dies_at(owner, name, *, count, moment):
    """Lets the process die at a call: before it, after it, or some time into it."""
    original, left = getattr(owner, name), [count]

    def call(*arguments, **options):
        left[0] -= 1
        if left[0] == 0 and moment == "before":
            die()
        if left[0] == 0 and moment == "during":
            threading.Timer(random.uniform(0, 0.01), die).start()
        result = original(*arguments, **options)
        if left[0] == 0:
            die()
        return result

    setattr(owner, name, call)


def writes_half(count):
    """Lets the process die with a file half written, a sample sheet for one."""
    original, left = Path.write_bytes, [count]

    def write(path, content):
        left[0] -= 1
        if left[0] == 0:
            original(path, content[: len(content) // 2])
            die()
        return original(path, content)

    Path.write_bytes = write


# What the process does where it is killed, beside any moment by the clock.
_PLACES = {
    "step": (Stepper, "step"),
    "writing a checkpoint": (tf.train.Checkpoint, "write"),
    "putting a file in place": (os, "replace"),
    "removing a file": (Path, "unlink"),
    "writing a line of the log": (Log, "_append"),
    "writing a sample sheet": (Log, "picture"),
}


def ends_at(step, start):
    """Lets the training end by SIGTERM after a step."""
    original, done = Stepper.step, [start]

    def take(self, batch):
        original(self, batch)
        done[0] += 1
        if done[0] == step:
            os.kill(os.getpid(), signal.SIGTERM)

    Stepper.step = take


def tells(pipe):
    """Writes to a pipe once the first step is taken."""
    original = Stepper.step

    def take(self, batch):
        original(self, batch)
        os.write(pipe, b".")

    Stepper.step = take


def life(run, data, stage, *, prepare=None, seconds=None):
    """Trains in a process of its own; returns its exit status, negative if killed.

    Args:
        run, data: folders.
        stage: to train.
        prepare: called first, in that process; None: nothing is.
        seconds: after its first step, at which it is killed; None: it is not.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            if prepare:
                prepare()
            tells(writer)
            train(run, data, stage, _STEPS, every=_EVERY, **_OPTIONS)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(writer)
    guard = threading.Timer(_PATIENCE, os.kill, (child, signal.SIGALRM))
    guard.start()
    if seconds is not None and os.read(reader, 1):
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    guard.cancel()
    os.close(reader)
    return status


def reached(run, stage):
    return max(steps_kept(run, stage), default=0)


def fates(kills, stage):
    """Yields where the training is to be killed, and how a life is made to end there.

    Every other kill is by the clock; the others are at each of the places in turn, of
    which the second stage takes those that the first has left.
    """
    places = [*_PLACES, "half a file"]
    random.Random(0).shuffle(places)
    for number in range(kills):
        count = random.randint(1, 3)
        if number % 2:
            yield "by the clock", {"seconds": random.uniform(0, 1)}
            continue
        place = places[(number // 2 + (stage - 1) * kills // 2) % len(places)]
        if place == "half a file":
            yield place, {"prepare": partial(writes_half, count)}
            continue
        moment = random.choice(["before", "during", "after"])
        kill = partial(dies_at, *_PLACES[place], count=count, moment=moment)
        yield f"{moment} {place} ({count})", {"prepare": kill}


def main():
    """Kills, lets it end, and trains the same without a break."""
    os.setpgid(0, 0)  # Whoever ends this ends the training with it.
    place, data, stage, kills, seed = sys.argv[1:]
    place, data, stage = Path(place), Path(data), int(stage)
    random.seed(int(seed))
    shutil.copytree(place / "killed", place / "straight")
    for where, how in fates(int(kills), stage):
        status = life(place / "killed", data, stage, **how)
        print(f"KILLED {where}, step {reached(place / 'killed', stage)}", flush=True)
        assert status == -signal.SIGKILL, status
    end = reached(place / "killed", stage) + 4
    for run in (place / "killed", place / "straight"):
        status = life(
            run, data, stage, prepare=partial(ends_at, end, reached(run, stage))
        )
        assert status == 0, status
        assert reached(run, stage) == end


if __name__ == "__main__":
    main()
