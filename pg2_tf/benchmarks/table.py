"""The benchmarks by name. One more is a module with `run` and a line here."""

from pg2_tf.benchmarks import inference, preprocess, training, training_input
from pg2_tf.benchmarks.measurement import Benchmark

BENCHMARKS: dict[str, Benchmark] = {
    "preprocess": preprocess.run,
    "input": training_input.run,
    "scale": training_input.run_scale,
    "train": training.run,
    "infer": inference.run,
}
