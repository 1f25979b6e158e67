"""Trains as the command does, with an optimizer that does not blow up float noise.

python tests/pg2_tf_worker.py FLAGS

A script of the tests. With KILLED_AT in the environment the process kills itself before
that step; with ENDED_AT, counted likewise, it gets SIGTERM.
"""

import os
import runpy
import signal

from pg2_tf.training import pg2
from pg2_tf.training.stepper import Stepper
from pg2_tf.training.updates import FusedAdam


def gentle(training, network):
    optimizer = FusedAdam(1e-3, 0.5, 0.999, epsilon=1e-3, name="adam")
    optimizer.build(network.trainable_variables)
    return optimizer


def signals_itself():
    original, taken = Stepper.step, [0]
    places = {
        int(os.environ[name]): number
        for name, number in (
            ("KILLED_AT", signal.SIGKILL),
            ("ENDED_AT", signal.SIGTERM),
        )
        if name in os.environ
    }

    def step(self, batch):
        taken[0] += 1
        if taken[0] in places:
            os.kill(os.getpid(), places[taken[0]])
        original(self, batch)

    Stepper.step = step


if __name__ == "__main__":
    pg2.adam = gentle
    signals_itself()
    runpy.run_module("pg2_tf.train", run_name="__main__")
