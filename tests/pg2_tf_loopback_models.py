"""Models of the loopback server: versions, their signatures and status."""

import re

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2


class StatusError(Exception):
    """An answer other than OK."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Version:
    """A loaded version of a model."""

    def __init__(self, place):
        self.loaded = tf.saved_model.load(str(place))
        content = (place / "saved_model.pb").read_bytes()
        graph = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0]
        self.signatures = graph.signature_def

    def run(self, signature, inputs):
        function = self.loaded.signatures.get(signature)
        if function is None:
            raise StatusError("INVALID_ARGUMENT", f"no signature {signature}")
        _, specs = function.structured_input_signature
        try:
            tensors = {
                name: tf.constant(inputs[name], spec.dtype)
                for name, spec in specs.items()
            }
            made = function(**tensors)
        except tf.errors.InvalidArgumentError as error:
            found = re.search(r"assertion failed: .*", error.message)
            message = found[0] if found else error.message
            raise StatusError("INVALID_ARGUMENT", message) from error
        except (KeyError, TypeError, ValueError) as error:
            raise StatusError("INVALID_ARGUMENT", str(error)) from error
        return {name: tensor.numpy() for name, tensor in made.items()}


def signatures_of(version):
    found = get_model_metadata_pb2.SignatureDefMap()
    for name, signature in version.signatures.items():
        found.signature_def[name].CopyFrom(signature)
    return found


def status_of(models, name):
    if name not in models.models:
        raise StatusError("NOT_FOUND", f"Could not find any versions of model {name}")
    answer = get_model_status_pb2.GetModelStatusResponse()
    for number in models.models[name]:
        status = answer.model_version_status.add(version=number)
        status.state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
    return answer
