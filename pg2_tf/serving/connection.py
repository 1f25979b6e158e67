"""Connects to a server in the protocol that its address says."""

from pg2_tf.serving.endpoint import Endpoint
from pg2_tf.serving.remote import RemoteModel
from preprocessing.system.errors import InputError


def connect(endpoint: Endpoint) -> RemoteModel:
    """Connects to a server and asks what the model takes.

    Raises:
        ServerError: no answer, or no such model there.
        InputError: it is no model of this project, or a package is missing.
    """
    # Here, because each needs packages of its own.
    try:
        if endpoint.is_rest:
            from pg2_tf.serving.rest_model import RestModel

            return RestModel(endpoint)
        from pg2_tf.serving.grpc_model import GrpcModel

        return GrpcModel(endpoint)
    except ImportError as error:
        raise InputError(
            f"a package is missing ({error}): pip install 'pg2-tf[serving]'"
        ) from error
