"""Outputs that an earlier version wrote into the state under another name: read under either, written under the new.

A resource's state is written again only when the resource changes, so that old names stay for as long as it does not.
"""

from __future__ import annotations

from collections.abc import Mapping

from dynamic_providers.provider import Props

Names = Mapping[str, str]
"""The present name of each output by its old one."""


def under_present_names(state: Props, names: Names) -> Props:
    """Return a state with its outputs under their present names.

    Args:
        state: The inputs and outputs in the state, of this version or of an earlier one.
        names: The present name of each output by its old one.
    """
    return {names.get(name, name): value for name, value in state.items()}


def state_if_same(outs: Props, state: Props, current: Props) -> Props:
    """Return the state itself where a refresh found nothing else, so that old names are no change in a refresh.

    Args:
        outs: What the refresh found, under present names.
        state: The state as it was written.
        current: The state under present names, see `under_present_names`.
    """
    return state if _given(outs) == _given(current) else outs


def _given(props: Props) -> Props:
    # The SDK keeps the provider itself beside them, as `__provider`.
    return {name: value for name, value in props.items() if value is not None and not name.startswith("__")}
