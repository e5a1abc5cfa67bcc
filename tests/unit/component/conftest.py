"""Programs run against Pulumi's own mocks, with every registration as the engine would receive it."""

import pulumi
import pytest
from pulumi.runtime.mocks import MockMonitor


class RecordingMocks(pulumi.runtime.Mocks):
    """Answers each registration with its inputs, and keeps it.

    Args:
        outputs: More outputs, by type, for example `{"User": {"user_id": "7"}}`.
        refused: Name of the resource that is refused; None for none.
    """

    def __init__(self, outputs, refused):
        self.outputs, self.refused = outputs, refused
        self.resources = {}

    def new_resource(self, args):
        kind = args.typ.rpartition(":")[2]
        self.resources[args.name, kind] = args
        if args.name == self.refused:
            raise ValueError(f"{args.name} is refused")
        return f"{args.name}-id", {**args.inputs, **self.outputs.get(kind, {})}

    def call(self, args):
        return {}


class RecordingMonitor(MockMonitor):
    """Keeps every request, with its options."""

    def __init__(self, mocks):
        super().__init__(mocks)
        self.requests = []

    def RegisterResource(self, request):  # noqa: N802 - the name of the SDK
        self.requests.append(request)
        return super().RegisterResource(request)


class Recording:
    """What a program registered.

    Attributes:
        resources: What the mocks were given, by name and type.
        requests: The requests to the engine, in order.
    """

    def __init__(self, mocks, monitor):
        self.resources, self.requests = mocks.resources, monitor.requests


@pytest.fixture
def record(event_loop):
    """Run a program and return its `Recording`."""

    def run(program, *, outputs=None, refused=None):
        mocks = RecordingMocks(outputs or {}, refused)
        monitor = RecordingMonitor(mocks)
        pulumi.runtime.set_mocks(mocks, monitor=monitor)
        pulumi.runtime.test(program)()
        return Recording(mocks, monitor)

    return run


@pytest.fixture
def declared(record):
    """Run a program and return what the mocks were given, by name and type."""
    return lambda program: record(program).resources
