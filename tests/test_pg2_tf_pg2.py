"""PG2 as a Keras model: fit, evaluate, predict, callbacks, files, presets."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from pg2_tf_helpers import (
    TINY,
    copies,
    make_run,
    network_batch,
    same,
    tiny_config,
    train,
)
from pg2_tf_trainers import gentle_adam, pg2

from pg2_tf.data.dataset import read_split
from pg2_tf.data.pipeline import PairSource, training_batches
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.model.config import VARIANTS
from pg2_tf.runs.run_folder import RunFolder
from pg2_tf.training.callbacks import Cadence
from pg2_tf.training.pg2 import PG2, build
from preprocessing.system.errors import InputError

CASES = [
    (variant, stage, profile)
    for profile in ("paper", "authors")
    for variant, recipe in VARIANTS.items()
    for stage in recipe.stages
]


def dataset(model, *, count=8, size=4):
    """Returns batches as a model trains on them."""
    batches = tf.data.Dataset.from_tensor_slices(network_batch(count)).batch(size)
    if not model.takes_two_batches:
        return batches
    other = tf.data.Dataset.from_tensor_slices(network_batch(count, seed=1))
    return tf.data.Dataset.zip((batches, other.batch(size)))


def everything(model):
    """Returns the values of all weights and optimizers of a model."""
    state = model.training_state().values()
    optimizers = [each for each in state if hasattr(each, "iterations")]
    return copies(model.weights) + [
        np.array(variable.value) for each in optimizers for variable in each.variables
    ]


# === fit, evaluate, predict ===


@pytest.mark.parametrize(("variant", "stage", "profile"), CASES)
def test_every_stage_is_fitted_evaluated_saved_and_continued(
    variant, stage, profile, tmp_path
):
    model = PG2.from_preset("tiny", stage=stage, variant=variant, profile=profile)
    model.compile()
    data = dataset(model)
    first = copies(model.networks()[0].weights)
    history = model.fit(data, validation_data=data, verbose=0).history
    assert set(history) == {
        prefix + name for prefix in ("", "val_") for name in ("loss", *model.loss_names)
    }
    assert np.isfinite(list(history.values())).all()
    assert same(first, copies(model.generator1.weights)) is (stage == 2)
    before = everything(model)
    values = model.evaluate(data, return_dict=True, verbose=0)
    assert values == {n: history[f"val_{n}"][0] for n in values}
    images = model.predict(data, verbose=0)
    assert set(images) == ({"coarse", "refined"} if stage == 2 else {"coarse"})
    assert all(image.shape == (8, 32, 32, 3) for image in images.values())
    assert same(before, everything(model))
    model.save(tmp_path / "model.keras")
    other = keras.saving.load_model(tmp_path / "model.keras")
    assert same(before, everything(other))
    for each in (model, other):
        each.fit(data, verbose=0)
    assert same(everything(model), everything(other))


def test_evaluation_weighs_a_last_small_batch_by_its_size():
    model = pg2(1)
    data = dataset(model, count=6)
    values = model.evaluate(data, return_dict=True, verbose=0)
    batch = network_batch(6)
    parts = [{k: v[i] for k, v in batch.items()} for i in (slice(4), slice(4, 6))]
    losses = [float(model.losses_of(part)["masked_l1"]) for part in parts]
    expected = (4 * losses[0] + 2 * losses[1]) / 6
    assert values["masked_l1"] == pytest.approx(expected, rel=1e-5)
    assert values["loss"] == values["masked_l1"]


def test_pixels_and_keypoints_are_what_the_networks_take():
    model, batch = pg2(2), network_batch(3)
    pixels = {n: np.rint((batch[n] + 1) * 127.5) for n in ("source", "target")}
    signed = {n: (v / 127.5 - 1).astype(np.float32) for n, v in pixels.items()}
    drawn = model._draw(batch["keypoints"])
    stored = {n: v.astype(np.uint8) for n, v in pixels.items()}
    stored |= {"keypoints": batch["keypoints"], "mask": tf.cast(batch["mask"], "uint8")}
    ready = {**batch, **signed, "heatmaps": drawn}
    for name, image in model(stored).items():
        np.testing.assert_allclose(image, model(ready)[name], rtol=0, atol=1e-5)
    for name, value in model.losses_of(stored).items():
        assert float(value) == pytest.approx(float(model.losses_of(ready)[name]), 1e-4)


def test_fit_gives_the_weights_of_the_command(people_dir, tmp_path):
    every = Cadence(log_every=9, sample_every=0, validate_every=0, checkpoint_every=9)
    split = read_split(people_dir, "train", image_size=(32, 32))
    for profile in ("paper", "authors"):
        run = tmp_path / profile
        for stage, options in ((1, TINY.stage1), (2, TINY.stage2)):
            train(run, people_dir, stage, 6, profile=profile, every=every)
            options = dataclasses.replace(options, steps=6)
            model = build(tiny_config(profile), options, folder=RunFolder(run))
            batches = training_batches(
                PairSource(split),
                batch_size=options.batch_size,
                seed=options.seed,
                own_batch=model.takes_two_batches,
            )
            start = copies(model.generator1.weights if stage == 1 else model.weights)
            model.fit(batches.take(6), verbose=0)
            command = PG2.from_preset(run, stage=stage)
            assert not same(start, copies(model.weights)[: len(start)])
            for name, network in model.trained_networks().items():
                theirs = getattr(command, name)
                for ours, other in zip(network.weights, theirs.weights, strict=True):
                    np.testing.assert_allclose(
                        ours.numpy(), other.numpy(), rtol=0, atol=1e-6
                    )


# === Callbacks ===


def callbacks(place):
    return [
        keras.callbacks.BackupAndRestore(place / "backup", delete_checkpoint=False),
        keras.callbacks.ModelCheckpoint(place / "{epoch}.keras"),
        keras.callbacks.ModelCheckpoint(place / "best.keras", save_best_only=True),
        keras.callbacks.TensorBoard(place / "events"),
        keras.callbacks.EarlyStopping(patience=9),
        keras.callbacks.ReduceLROnPlateau(patience=9),
        keras.callbacks.CSVLogger(place / "log.csv"),
    ]


class Power(keras.callbacks.Callback):
    """Fails at the start of the third epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise InterruptedError


def test_callbacks_work_and_an_interrupted_fit_resumes_exactly(tmp_path):
    for name in ("whole", "interrupted"):
        (tmp_path / name).mkdir()
    whole = pg2(2, ema=0.9)
    data = dataset(whole)
    options = {"epochs": 3, "validation_data": data, "verbose": 0}
    whole.fit(data, callbacks=callbacks(tmp_path / "whole"), **options)
    place = tmp_path / "interrupted"
    with pytest.raises(InterruptedError):
        pg2(2, ema=0.9).fit(data, callbacks=[*callbacks(place), Power()], **options)
    resumed = pg2(2, ema=0.9, seed=5)
    history = resumed.fit(data, callbacks=callbacks(place), **options).history
    assert len(history["loss"]) == 1
    assert same(everything(whole), everything(resumed))
    saved = keras.saving.load_model(tmp_path / "whole" / "3.keras")
    assert same(everything(whole), everything(saved))
    assert (tmp_path / "whole" / "best.keras").exists()
    lines = (tmp_path / "whole" / "log.csv").read_text().splitlines()
    assert len(lines) == 4
    assert "val_masked_l1" in lines[0]
    assert list((tmp_path / "whole" / "events").glob("train/*"))


def test_early_stopping_watches_what_the_generator_minimises():
    model = pg2(1)
    stop = keras.callbacks.EarlyStopping(min_delta=1e9)
    data = dataset(model)
    model.fit(data, validation_data=data, epochs=5, callbacks=[stop], verbose=0)
    # Keras lets the first epoch pass.
    assert stop.stopped_epoch == 1
    assert len(model.history.history["loss"]) == 2


# === Optimizers ===


def test_optimizers_are_the_papers_or_those_that_are_given():
    model = PG2.from_preset("tiny", stage=2)
    model.compile()
    for optimizer in (model.generator2_optimizer, model.discriminator_optimizer):
        assert (optimizer.beta_1, optimizer.beta_2) == (0.5, 0.999)
        assert optimizer.epsilon == 1e-8
        assert float(optimizer.learning_rate) == pytest.approx(1e-3)
    own = gentle_adam()
    model.compile(own, "sgd")
    assert model.generator2_optimizer is model.optimizer is own
    assert isinstance(model.discriminator_optimizer, keras.optimizers.SGD)
    with pytest.raises(ValueError, match="its own optimizer"):
        model.compile(own, own)


def test_saved_schedules_and_options_come_back(tmp_path):
    options = {"schedule": "cosine", "warm_up": 3, "ema": 0.9, "steps": 9}
    options |= {"finetune_generator1": True, "feature_matching": 10.0}
    model = pg2(2, optimizer=None, **options)
    data = dataset(model)
    model.fit(data, verbose=0)
    model.save(tmp_path / "model.keras")
    other = keras.saving.load_model(tmp_path / "model.keras")
    assert other.train_config == model.train_config
    assert other.run_config == model.run_config
    for each in (model, other):
        each.fit(data, verbose=0)
    assert same(everything(model), everything(other))


# === Files ===


@pytest.mark.parametrize("stage", [1, 2])
def test_preset_folder_is_a_run_folder(tmp_path, stage):
    model = pg2(stage)
    model.fit(dataset(model), verbose=0)
    model.save_to_preset(tmp_path / "preset")
    other = PG2.from_preset(tmp_path / "preset")
    assert other.train_config.stage == stage
    assert same(copies(model.weights), copies(other.weights))
    assert other.run_config == model.run_config
    transfer = PoseTransfer.load(tmp_path / "preset")
    assert same(
        copies(model.generator1.weights), copies(transfer.networks.generator1.weights)
    )
    # Once more over the same folder, and a stage 2 on a stage 1.
    model.save_to_preset(tmp_path / "preset")
    second = PG2.from_preset(tmp_path / "preset", stage=2, l1_weight=3.0)
    assert second.train_config.l1_weight == 3.0
    assert same(copies(model.generator1.weights), copies(second.generator1.weights))


def test_preset_holds_the_moving_averages(tmp_path):
    model = pg2(1, ema=0.9)
    model.fit(dataset(model), verbose=0)
    average = copies(model.averages["generator1"].weights)
    assert not same(average, copies(model.generator1.weights))
    model.save_to_preset(tmp_path / "preset")
    assert same(
        average, copies(PG2.from_preset(tmp_path / "preset").generator1.weights)
    )
    batch = network_batch(2)
    inputs = {name: batch[name] for name in ("source", "heatmaps")}
    np.testing.assert_array_equal(
        model(batch)["coarse"], model.averages["generator1"](inputs)
    )


def test_run_folder_is_a_preset_with_its_variant_and_profile(tmp_path):
    run = make_run(tmp_path / "run", config=tiny_config("authors"))
    model = PG2.from_preset(run)
    assert (model.run_config.profile, model.train_config.stage) == ("authors", 2)
    for options, told in (
        ({"profile": "paper"}, "has profile authors, not paper"),
        ({"variant": "G1+D"}, r"has variant G1\+G2\+D, not G1\+D"),
    ):
        with pytest.raises(InputError, match=told):
            PG2.from_preset(run, **options)
    with pytest.raises(InputError, match="no such preset or folder; the presets are"):
        PG2.from_preset(tmp_path / "nothing")
    with pytest.raises(ValueError, match="variant 'G3': allowed are"):
        PG2.from_preset("tiny", variant="G3")
    with pytest.raises(ValueError, match=r"variant G1\+D has only stage 1"):
        PG2.from_preset("tiny", variant="G1+D", stage=2)


def test_training_is_not_overwritten_by_a_preset(people_dir, tmp_path):
    every = Cadence(log_every=9, sample_every=0, validate_every=0, checkpoint_every=9)
    train(tmp_path / "run", people_dir, 1, 1, every=every)
    with pytest.raises(InputError, match="holds a training; use another folder"):
        PG2.from_preset("tiny", stage=1).save_to_preset(tmp_path / "run")


def test_exported_model_makes_the_same_images(tmp_path):
    model, batch = pg2(2), network_batch(2)
    model.export(tmp_path / "served")
    served = tf.saved_model.load(tmp_path / "served" / "1").signatures["raw"]
    made = served(image=batch["source"], heatmaps=batch["heatmaps"])
    expected = model(batch)
    for name in ("coarse", "refined"):
        np.testing.assert_allclose(made[name], expected[name], rtol=0, atol=1e-5)
    assert (tmp_path / "served" / "1" / "model_card.json").exists()
    model.export(tmp_path / "served")
    assert (tmp_path / "served" / "2").exists()


# === Wrong use ===


def test_profile_authors_asks_for_two_batches():
    model = pg2(2, "authors")
    with pytest.raises(ValueError, match="a step takes a tuple of two batches"):
        model.fit(tf.data.Dataset.from_tensors(network_batch(2)), verbose=0)
