"""Regenerate the message classes: `python -m headscale_core.client._proto.generate [DIRECTORY]`."""

import sys
from pathlib import Path

HERE = Path(__file__).parent


def generate(target: Path) -> Path:
    """Write `headscale_pb2.py` for the `.proto` beside this file into a directory, and return its path."""
    from grpc_tools import protoc  # noqa: PLC0415 - a development tool, absent where the package is only used

    if protoc.main(["protoc", f"--proto_path={HERE}", f"--python_out={target}", f"--proto_path={_well_known()}", "headscale.proto"]):
        raise SystemExit("error: protoc failed, see above")
    return target / "headscale_pb2.py"


def _well_known() -> Path:
    import grpc_tools  # noqa: PLC0415 - as above

    return Path(grpc_tools.__file__).parent / "_proto"


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
