"""Fault injection: a run is killed, or one of its calls fails, at every one of its fault points.

Each call that changes something has two fault points, before and after it: the process may end, or the connection
break, when the call has not been made yet, and when it has been made and its answer is lost.
"""

import contextlib
import math
from itertools import count
from typing import Any


class ProcessKilled(BaseException):
    """The process ended here; no exception handler runs."""


class CallFailed(Exception):
    """The network or the disk failed here; the exception handlers run."""


class FaultPlan:
    """Which fault point raises: the first ones pass, then one fails.

    Args:
        passes: How many fault points pass.
        fault: What the next one raises. After `ProcessKilled` everything raises, for nothing runs any more; after
            `CallFailed` all later ones pass, for the handlers of the code under test run.
    """

    def __init__(self, passes, fault):
        self.left, self.fault, self.has_failed = passes, fault, False

    def point(self):
        if self.has_failed and self.fault is CallFailed:
            return
        if self.left == 0:
            self.has_failed = True
            raise self.fault
        self.left -= 1


NO_FAULTS = FaultPlan(math.inf, CallFailed)


_Anything: Any = object
"""To the type checker, a FaultInjector is whatever it passes calls on to."""


class FaultInjector(_Anything):
    """Passes calls on to a client or a store, with a fault point before and after each that changes something."""

    CHANGES = ("create_", "delete_", "expire_", "rename_", "set_", "write", "delete", "add", "remove")

    def __init__(self, target, plan):
        self._target, self._plan = target, plan

    def __getattr__(self, name):
        method = getattr(self._target, name)
        if not callable(method) or not name.startswith(self.CHANGES):
            return method

        def call(*arguments, **options):
            self._plan.point()
            result = method(*arguments, **options)
            self._plan.point()
            return result

        return call


def for_each_fault_point(run, fault=ProcessKilled):
    """Run something once for each of its fault points, and yield after each run that met its fault.

    Args:
        run: Takes a `FaultPlan`, for the `FaultInjector`s through which it makes its calls.
        fault: `ProcessKilled` or `CallFailed`.
    """
    for passes in count():
        plan = FaultPlan(passes, fault)
        with contextlib.suppress(fault):
            run(plan)
        if not plan.has_failed:
            assert passes, "there is no fault point: nothing was tested"
            return
        yield passes
