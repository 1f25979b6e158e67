"""The configuration in exported/, read with the server's own messages.

The package `tensorflow-serving-api` has no messages for batching and monitoring; theirs
are built here, with the fields of the server's session_bundle_config.proto and
monitoring_config.proto.
"""

import re
from pathlib import Path

import pytest
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)

from pg2_tf.model.presets import DATASETS
from pg2_tf.serving.saved_model import BATCH_SIZES

FOLDER = Path(__file__).parents[1] / "exported"
_INT64 = ".google.protobuf.Int64Value"
BATCHING = {
    "max_batch_size": _INT64,
    "batch_timeout_micros": _INT64,
    "max_enqueued_batches": _INT64,
    "num_batch_threads": _INT64,
    "thread_pool_name": ".google.protobuf.StringValue",
    "allowed_batch_sizes": "repeated int64",
    "pad_variable_length_inputs": "bool",
}
MONITORING = {"prometheus_config": ".test.PrometheusConfig"}
PROMETHEUS = {"enable": "bool", "path": "string"}
_TYPES = {"int64": 3, "bool": 8, "string": 9, "message": 11}


def read_text(name):
    return (FOLDER / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def messages():
    """The classes of the messages that the package does not have, by name."""
    file = descriptor_pb2.FileDescriptorProto(
        name="test.proto",
        package="test",
        syntax="proto3",
        dependency=["google/protobuf/wrappers.proto"],
    )
    tables = {
        "PrometheusConfig": PROMETHEUS,
        "MonitoringConfig": MONITORING,
        "BatchingParameters": BATCHING,
    }
    for name, fields in tables.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields.items(), start=1):
            repeated, _, plain = kind.rpartition(" ")
            added = message.field.add(name=field, number=number)
            added.label = 3 if repeated else 1
            added.type = _TYPES.get(plain, _TYPES["message"])
            if plain not in _TYPES:
                added.type_name = plain
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"test.{name}")
        )
        for name in tables
    }


@pytest.fixture(scope="module")
def models():
    """The configured models by name."""
    config_pb2 = pytest.importorskip(
        "tensorflow_serving.config.model_server_config_pb2",
        reason="needs tensorflow-serving-api",
    )
    config = text_format.Parse(
        read_text("models.config"), config_pb2.ModelServerConfig()
    )
    assert config.WhichOneof("config") == "model_config_list"
    return {model.name: model for model in config.model_config_list.config}


@pytest.fixture(scope="module")
def yaml():
    return pytest.importorskip("yaml", reason="needs PyYAML")


def test_labels_name_served_versions(models):
    assert len(models) > 1
    assert set(models) <= set(DATASETS)
    for name, model in models.items():
        assert model.base_path == f"/models/{name}"
        assert model.model_platform == "tensorflow"
        served = set(model.model_version_policy.specific.versions)
        assert set(model.version_labels) == {"stable", "canary"}
        assert set(model.version_labels.values()) == served


def test_batch_sizes_equal_those_of_the_warm_up(messages):
    batching = text_format.Parse(
        read_text("batching_parameters.txt"), messages["BatchingParameters"]()
    )
    sizes = list(batching.allowed_batch_sizes)
    assert tuple(sizes) == BATCH_SIZES
    assert sizes == sorted(sizes)
    assert batching.max_batch_size.value == sizes[-1]
    assert batching.num_batch_threads.value >= 1
    assert batching.max_enqueued_batches.value >= batching.num_batch_threads.value
    assert 0 <= batching.batch_timeout_micros.value <= 20_000


def test_compose_and_kubernetes_start_the_same_server(yaml):
    compose = yaml.safe_load(read_text("docker-compose.yml"))
    deployment, service = yaml.safe_load_all(read_text("kubernetes.yaml"))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert set(compose["services"]) == {"cpu", "gpu"}
    for name, server in compose["services"].items():
        assert server["profiles"] == [name]
        assert server["command"] == container["args"]
        assert server["image"].startswith("tensorflow/serving:")
        assert server["image"].endswith("-gpu") == (name == "gpu")
        assert server["volumes"] == [".:/models:ro"]
        assert all(port.startswith("127.0.0.1:") for port in server["ports"])
        (probed,) = re.findall(r"GET /v1/models/(\S+)/metadata", str(server))
        assert probed.split("/") == ["market1501", "labels", "stable"]
    gpu = compose["services"]["gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert gpu[0]["capabilities"] == ["gpu"]
    for argument in container["args"]:
        value = argument.partition("=")[2]
        if value.startswith("/"):
            assert (FOLDER / Path(value).relative_to("/models")).is_file()
    assert {port["port"] for port in service["spec"]["ports"]} == {8500, 8501}


def test_probes_use_a_served_model(yaml, models, messages):
    deployment, service = yaml.safe_load_all(read_text("kubernetes.yaml"))
    template = deployment["spec"]["template"]
    assert service["spec"]["selector"] == template["metadata"]["labels"]
    assert (
        deployment["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
    )
    (container,) = template["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": 8500, "rest": 8501}
    for probe in ("startupProbe", "readinessProbe"):
        asked = container[probe]["httpGet"]
        name, label = re.fullmatch(
            r"/v1/models/(\w+)/labels/(\w+)/metadata", asked["path"]
        ).groups()
        assert label in models[name].version_labels
        assert asked["port"] in ports
    assert container["livenessProbe"]["tcpSocket"]["port"] in ports
    monitoring = text_format.Parse(
        read_text("monitoring.config"), messages["MonitoringConfig"]()
    ).prometheus_config
    notes = template["metadata"]["annotations"]
    assert monitoring.enable
    assert monitoring.path == notes["prometheus.io/path"]
    assert int(notes["prometheus.io/port"]) == ports["rest"]


def test_unknown_fields_are_detected(messages):
    with pytest.raises(text_format.ParseError):
        text_format.Parse("max_batch: 8", messages["BatchingParameters"]())
