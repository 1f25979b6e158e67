"""PG2 as a Keras model: the networks of a stage, their training step, their files."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from pg2_tf.data import ranges
from pg2_tf.inference.pose_transfer import PoseTransfer
from pg2_tf.model import presets
from pg2_tf.model.config import DEFAULT_VARIANT, RunConfig, TrainConfig
from pg2_tf.model.discriminator import with_activations
from pg2_tf.model.networks import Networks, build_networks, generate
from pg2_tf.model.pose_heatmaps import PoseHeatmaps
from pg2_tf.model.steps import Losses, make_step
from pg2_tf.runs import checkpoint_files
from pg2_tf.runs.run_folder import RunFolder
from pg2_tf.runs.weights import average_name, load_weights, weights_of
from pg2_tf.serving.saved_model import describe, export_saved_model, next_version
from pg2_tf.training.updates import Updates, adam, rematerialised
from preprocessing.system.errors import InputError


@keras.saving.register_keras_serializable("pg2_tf")
class PG2(keras.Model):
    """One stage of PG2, to train, to call and to save.

    `generator1` (G1), `generator2` (G2) and `discriminator` (D) are functional models;
    those that the stage does not have are None. Stage II trains G2 and D on a G1 that
    stage I has trained: give it the weights, or start `from_preset` of a run folder.

    Batches are mappings of tensors with B pairs each:

    - `source`, `target`: images, uint8 or float32 in [-1, 1], [B, H, W, 3].
    - `keypoints`: the target pose, float32 [B, 18, 3]: x, y in pixels, confidence.
    - `heatmaps`: optional, float32 [B, H, W, 18] of -1 and +1; by default they are
      drawn from the keypoints.
    - `mask`: the target's pose mask, [B, H, W, 1] of 0 and 1.

    Calling the model needs `source` and the pose. It returns `coarse` and, in stage
    II, `refined`, float32 [B, H, W, 3], nominally in [-1, 1], not clipped. Training
    and evaluation need all of them. The profile `authors` trains on tuples of two
    batches, one for the generators and one for D.

    Under a strategy the size of a batch must be fixed (`drop_remainder=True`) and a
    multiple of the number of replicas.

    Args:
        config: The run's configuration: networks, variant, profile.
        training: The stage's configuration.
        networks: The networks of the stage. Default: new ones, from `training.seed`.

    Example:
    ```python
    model = pg2_tf.PG2.from_preset("market1501", stage=1)
    model.compile()
    model.fit(pg2_tf.load_dataset("data/market1501", "train", batch_size=16))
    ```
    """

    def __init__(
        self,
        config: RunConfig,
        training: TrainConfig,
        *,
        networks: Networks | None = None,
        **kwargs: Any,
    ):
        super().__init__(**{"name": "pg2", **kwargs})
        if training.stage not in config.recipe.stages:
            raise ValueError(
                f"stage {training.stage}: variant {config.variant} has only stage 1"
            )
        self.run_config = config
        self.train_config = training
        networks = networks or build_networks(
            config.model,
            stage=training.stage,
            adversarial=training.stage in config.recipe.adversarial,
            precision=training.precision,
            seed=training.seed + training.stage - 1,
        )
        self.generator1, self.generator2, self.discriminator = networks
        self.averages = {
            name: _copy(getattr(networks, name)) for name in training.averaged
        }
        self.generator1_optimizer = None
        self.generator2_optimizer = None
        self.discriminator_optimizer = None
        self._draw = PoseHeatmaps(config.model.image_size)
        self._step = make_step(self._functions(), config, training)
        # `loss` is what the generator minimises; callbacks monitor it by default.
        self._trackers = [keras.metrics.Mean(n) for n in ("loss", *self.loss_names)]
        self._updates: Updates | None = None
        self.built = True

    def _functions(self) -> dict[str, Any]:
        functions = {
            name: network
            for name, network in self.networks()._asdict().items()
            if network is not None
        }
        if self.train_config.remat:
            for name in self.train_config.trained_generators:
                functions[name] = rematerialised(functions[name])
        if self.train_config.feature_matching and self.discriminator is not None:
            functions["discriminator"] = with_activations(self.discriminator)
        return functions

    # === Networks ===

    def networks(self) -> Networks:
        """Returns the networks of the stage."""
        return Networks(self.generator1, self.generator2, self.discriminator)

    def generating_networks(self) -> Networks:
        """Returns the networks that make images: moving averages, if there are any."""
        return self.networks()._replace(**self.averages)

    def trained_networks(self) -> dict[str, keras.Model]:
        """Returns the networks that the stage trains, by name."""
        names = (*self.train_config.trained_generators, "discriminator")
        return {
            name: network
            for name, network in self.networks()._asdict().items()
            if network is not None and name in names
        }

    def reset_averages(self) -> None:
        """Makes the moving averages equal to the weights that they follow."""
        for name, average in self.averages.items():
            average.set_weights(getattr(self, name).get_weights())

    def call(self, inputs, training=None):
        del training  # The generators do the same in training.
        batch = self._prepare(inputs)
        images = generate(
            self.generating_networks(),
            batch["source"],
            batch.get("heatmaps"),
            keypoints=batch.get("keypoints"),
        )
        images.pop("difference", None)
        return images

    def _prepare(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Returns a batch as the networks and losses take it; see `PG2`."""
        batch = dict(batch)
        for name in {"source", "target"} & set(batch):
            if keras.backend.standardize_dtype(batch[name].dtype) == "uint8":
                batch[name] = ranges.to_signed(batch[name])
        if "heatmaps" not in batch:
            batch["heatmaps"] = self._draw(batch["keypoints"])
        return {name: ops.cast(value, "float32") for name, value in batch.items()}

    # === Training ===

    @property
    def loss_names(self) -> tuple[str, ...]:
        """The names of the losses that `train_step` and `test_step` return."""
        return self._step.loss_names

    @property
    def takes_two_batches(self) -> bool:
        """Whether a training step takes a batch for the generators and one for D."""
        return self._step.takes_two_batches

    def compile(
        self,
        generator_optimizer: Any = None,
        discriminator_optimizer: Any = None,
        *,
        generator1_optimizer: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool = False,
    ) -> None:
        """Sets the optimizers; each is the paper's Adam by default.

        Args:
            generator_optimizer: The optimizer of the stage's generator.
            discriminator_optimizer: The optimizer of D.
            generator1_optimizer: The optimizer of a G1 that is trained with G2.
            run_eagerly, steps_per_execution, jit_compile: See `keras.Model.compile`.
        """
        *others, last = self.train_config.trained_generators
        given = dict.fromkeys(others, generator1_optimizer)
        given |= {last: generator_optimizer, "discriminator": discriminator_optimizer}
        optimizers: dict[str, keras.optimizers.Optimizer] = {}
        for name, network in self.trained_networks().items():
            optimizer = keras.optimizers.get(given[name])
            if optimizer is None:
                optimizer = adam(self.train_config, network)
            if optimizer in optimizers.values():
                raise ValueError("each network needs its own optimizer")
            optimizer.build(network.trainable_variables)
            setattr(self, f"{name}_optimizer", optimizer)
            optimizers[name] = optimizer
        # Keras' callbacks read and set this one's learning rate.
        super().compile(
            optimizer=optimizers[last],
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
        )
        self._updates = Updates(
            self.trained_networks(), optimizers, self.averages, self.train_config
        )

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The means of the losses."""
        return self._trackers

    def update(self, data: Any) -> Losses:
        """Takes one training step; returns the losses before it, scalars by name.

        Args:
            data: A batch, or two of them with `takes_two_batches`.
        """
        assert self._updates is not None, "compile() comes first"
        if not self.takes_two_batches:
            return self._step.update(self._prepare(data), self._updates)
        if not isinstance(data, (tuple, list)) or len(data) != 2:
            raise ValueError(
                "profile authors: a step takes a tuple of two batches, one for the "
                "generators and one for the discriminator, such as those of "
                "tf.data.Dataset.zip((train, train.shuffle(100)))"
            )
        first, second = data
        batches: Any = (self._prepare(first), self._prepare(second))
        return self._step.update(batches, self._updates)

    def losses_of(self, batch: Mapping[str, Any]) -> Losses:
        """Returns the losses of a batch, scalars by name; changes no variable."""
        # D's batch normalisation would move its statistics, which nothing uses.
        with keras.StatelessScope():
            return self._step.losses(self._prepare(batch))

    def train_step(self, data: Any) -> Losses:
        """Takes one training step; returns the mean losses of the epoch."""
        self._require_equal_shares(data)
        return self._track(self.update(data), data)

    def test_step(self, data: Any) -> Losses:
        """Computes the losses of a batch; returns the mean losses so far."""
        if isinstance(data, (tuple, list)):
            data = data[0]
        self._require_equal_shares(data)
        return self._track(self.losses_of(data), data)

    def _track(self, values: Losses, data: Any) -> Losses:
        count = tf.shape(tf.nest.flatten(data)[0])[0]
        values = {"loss": values[self.loss_names[0]], **values}
        for tracker in self._trackers:
            tracker.update_state(values[tracker.name], sample_weight=count)
        return self.get_metrics_result()

    def _require_equal_shares(self, data: Any) -> None:
        # A replica without a pair would make every weight NaN.
        replicas = self.distribute_strategy.num_replicas_in_sync
        if replicas > 1 and tf.nest.flatten(data)[0].shape[0] is None:
            raise ValueError(
                f"{replicas} replicas need batches of one size that is a multiple of "
                f"{replicas}: use batch(..., drop_remainder=True)"
            )

    # === Files ===

    @classmethod
    def from_preset(
        cls,
        preset: str | Path,
        *,
        stage: int | None = None,
        variant: str | None = None,
        profile: str | None = None,
        **training: Any,
    ) -> "PG2":
        """Builds a model from a preset's name, or from a folder with its weights.

        Args:
            preset: One of `presets.DATASETS`, which starts from random weights; or a
                run folder, of `pg2_tf.train` or of `save_to_preset`. Stage 2 of a
                folder that has only stage 1 starts from that G1.
            stage: 1 or 2. Default: the folder's last stage, or the variant's.
            variant: One of `config.VARIANTS`. Default: the folder's, or `G1+G2+D`.
            profile: `paper` or `authors`. Default: the folder's, or `paper`.
            training: Changes of the preset's `TrainConfig`, such as
                `learning_rate=1e-4`.

        Raises:
            InputError: The folder has no run, or another variant or profile.
            ValueError: A value that is not allowed.
        """
        folder = None if preset in presets.DATASETS else RunFolder(preset)
        config = _run_config(str(preset), folder, variant=variant, profile=profile)
        if stage is None:
            stages = config.recipe.stages
            stage = folder.latest_stage().number if folder else stages[-1]
        options = presets.preset(
            config.dataset, profile=config.profile, variant=config.variant
        ).stage(stage)
        model = cls(config, dataclasses.replace(options, **training))
        if folder:
            model._load(folder)
        return model

    def _load(self, folder: RunFolder) -> None:
        stage = folder.stage(self.train_config.stage)
        if stage.checkpoints() or stage.number == 1:
            load_weights(self.networks(), stage)
        else:
            load_weights(Networks(self.generator1), folder.stage(1))
        self.reset_averages()

    def save_to_preset(self, preset_dir: str | Path) -> None:
        """Writes the weights as a run folder.

        `from_preset`, `pg2_tf.load` and the commands read it, and a training can start
        from it. It holds the weights that generate images, which are moving averages if
        there are any, and those of D. `save` also writes the optimizers, to resume a
        training.

        Args:
            preset_dir: A new folder, or one to add this model's stage to.

        Raises:
            InputError: The folder holds another run, or a training of this stage.
        """
        folder = RunFolder(preset_dir)
        stage = folder.stage(self.train_config.stage)
        if stage.options():
            raise InputError(f"{stage.path}: holds a training; use another folder")
        folder.claim(self.run_config)
        checkpoint_files.write(
            tf.train.Checkpoint(**weights_of(self.generating_networks())),
            stage.checkpoint_dir,
            step=0,
        )

    def export(self, filepath: str | Path, **options: Any) -> None:
        """Writes a SavedModel as `pg2_tf.export` does, as the next version.

        Args:
            filepath: Folder of the model; each version is a folder in it.
            options: No options are allowed; the signatures are always the same.
        """
        if options:
            raise ValueError(f"export() does not take {', '.join(options)}")
        model = PoseTransfer(
            self.generating_networks(),
            self.run_config,
            stage=self.train_config.stage,
            step=int(self.optimizer.iterations.numpy()) if self.compiled else 0,
        )
        card = describe(
            model,
            RunFolder(filepath),
            weights="ema" if self.averages else "last",
            precision=self.train_config.precision,
        )
        export_saved_model(model, filepath, version=next_version(filepath), card=card)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "config": self.run_config.to_json(),
            "training": dataclasses.asdict(self.train_config),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        del custom_objects
        run_config = RunConfig.from_json(config.pop("config"))
        return cls(run_config, TrainConfig(**config.pop("training")), **config)

    def get_compile_config(self) -> dict[str, Any]:
        if not self.compiled:
            return {}
        return {
            name: keras.saving.serialize_keras_object(
                getattr(self, f"{name}_optimizer")
            )
            for name in self.trained_networks()
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        optimizers = {
            name: keras.saving.deserialize_keras_object(value)
            for name, value in config.items()
        }
        *_, last = self.train_config.trained_generators
        self.compile(
            optimizers.pop(last),
            optimizers.pop("discriminator", None),
            generator1_optimizer=optimizers.pop("generator1", None),
        )

    def training_state(self) -> dict[str, Any]:
        """Returns optimizers and moving averages, by their names in checkpoints.

        With the weights of the networks, a training needs them to resume.
        """
        state = {
            f"{name}_optimizer": getattr(self, f"{name}_optimizer")
            for name in self.trained_networks()
        }
        return state | {
            average_name(name): each for name, each in self.averages.items()
        }


def build(config: RunConfig, training: TrainConfig, *, folder: RunFolder) -> PG2:
    """Builds and compiles a stage of a run, under the current strategy.

    Args:
        config: The run's configuration.
        training: The stage's configuration.
        folder: The run folder. Stage 2 starts from its stage 1, from the moving
            average if there is one.

    Raises:
        InputError: Stage 1 has no readable checkpoint for stage 2 to start from.
    """
    model = PG2(config, training)
    if training.stage == 2:
        stage1 = folder.stage(1)
        path = load_weights(Networks(model.generator1), stage1)
        options = stage1.options()
        planned = f" of {options['training']['steps']:,}" if options else ""
        print(
            f"stage 1: {stage1.path}, step {checkpoint_files.step_of(path):,}{planned}"
        )
        model.reset_averages()
    model.compile()
    return model


def _run_config(
    preset: str, folder: RunFolder | None, *, variant: str | None, profile: str | None
) -> RunConfig:
    if folder is None:
        profile, variant = profile or "paper", variant or DEFAULT_VARIANT
        model = presets.preset(preset, profile=profile, variant=variant).model
        return RunConfig(preset, profile, model, variant)
    if not folder.path.exists():
        raise InputError(
            f"{preset}: no such preset or folder; the presets are "
            f"{', '.join(presets.DATASETS)}"
        )
    config = folder.require_config()
    for name, value in (("variant", variant), ("profile", profile)):
        if value not in (None, getattr(config, name)):
            raise InputError(
                f"{preset}: has {name} {getattr(config, name)}, not {value}"
            )
    return config


def _copy(network: keras.Model) -> keras.Model:
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    return copy
