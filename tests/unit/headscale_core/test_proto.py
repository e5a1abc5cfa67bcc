"""The message classes are those of the `.proto` beside them."""

import warnings
from pathlib import Path

import headscale_core.client._proto


def test_the_message_classes_are_current(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # grpc_tools uses pkg_resources
        warnings.simplefilter("ignore", DeprecationWarning)
        from headscale_core.client._proto.generate import generate

        made = generate(tmp_path)

    assert made.read_text() == (Path(headscale_core.client._proto.__path__[0]) / "headscale_pb2.py").read_text()
