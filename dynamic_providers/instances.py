"""Which instances a stack has, as a Pulumi resource: the preview reports one that is removed or renamed."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi.dynamic import CheckFailure, CheckResult, CreateResult, DiffResult, ReadResult, UpdateResult

from dynamic_providers.provider import HeadscaleProvider, Props
from dynamic_providers.resource import HeadscaleResource
from headscale_core.rollout.rollout import InstanceLocation, consent_hint, move_warning


class InstancesProvider(HeadscaleProvider):
    """Adapter that compares names alone. Its dotted path is in people's state: moving it needs an alias here."""

    def check(self, olds: Props, news: Props) -> CheckResult:
        """Refuse a rename without consent, for the data keeps its old name; warn of an instance that is removed.

        One that `pulumi state move` gave to another stack looks the same here: the list is all that is compared.
        """
        before, after = olds.get("instances") or {}, news.get("instances") or {}
        added = {name: value for name, value in after.items() if name not in before}
        failures = []
        for name, value in before.items():
            if name in after:
                continue
            old, retain = InstanceLocation(value["namespace"], name), bool(value["retain"])
            if not added:
                fate = "stays" if retain else "is deleted"
                pulumi.log.warn(
                    f"instance {old} is no longer in this stack. If `pulumi state move` moved it to another stack, "
                    "nothing happens to it. If not, it is deleted: its nodes lose their control server, its keys are "
                    f"revoked, and PVC {old.namespace}/{old.pvc} with the database {fate}"
                )
            elif any(
                value["abandon_data"] == str(old) and value["namespace"] != old.namespace for value in added.values()
            ):
                pulumi.log.warn(f"instance {old} is removed; {_meaning(old, added, retain=retain)}")
            else:
                failures.append(CheckFailure(f"instances.{name}", _refusal(old, added, retain=retain)))
        return CheckResult(news, failures)

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Compare the lists."""
        return DiffResult(changes=_without_none(olds) != _without_none(news))

    def create(self, props: Props) -> CreateResult:
        """Store the list in the state."""
        return CreateResult("instances", props)

    def read(self, id_: str, props: Props) -> ReadResult:
        """Return what the state has; nothing of it is in the cluster."""
        return ReadResult(id_, props, props)

    def update(self, _id: str, _olds: Props, news: Props) -> UpdateResult:
        """Store the list in the state."""
        return UpdateResult(news)

    def delete(self, _id: str, _props: Props) -> None:
        """Leave everything."""


def _without_none(props: Props) -> dict[str, dict[str, Any]]:
    """Return the inputs of each instance, without those that are None."""
    return {
        name: {key: value for key, value in item.items() if value is not None}
        for name, item in (props.get("instances") or {}).items()
    }


def _refusal(old: InstanceLocation, added: Mapping[str, Any], *, retain: bool) -> str:
    """Return why an instance may not be removed in the same change that adds others."""
    together = f"is removed in the same change that adds {', '.join(sorted(added))}"
    if any(value["namespace"] == old.namespace for value in added.values()):
        # Its Secrets have their names until it is gone.
        way_out = "remove it in a change of its own, and add the other in the next"
    else:
        way_out = f"{consent_hint(old)}; if it is none, remove it in a change of its own"
    return (
        f"{together}. If it is renamed: {_meaning(old, added, retain=retain)}; {way_out}. If `pulumi state move` moved "
        f"it to another stack: add {', '.join(sorted(added))} in a change of its own, after a `pulumi up` without it"
    )


def _meaning(old: InstanceLocation, added: Mapping[str, Any], *, retain: bool) -> str:
    name, value = next(iter(added.items()))
    return move_warning(old, InstanceLocation(value["namespace"], name), retain=retain, elsewhere=False)


class Instances(HeadscaleResource, module="headscale", name="Instances"):
    """The instances of a stack.

    Attributes:
        instances: For each name its `namespace`, whether it is to `retain` its data, and which data it abandons.
    """

    def __init__(
        self,
        resource_name: str,
        instances: Mapping[str, Mapping[str, Any]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare them; `opts.provider` is the `HeadscaleConnection` of any of them."""
        super().__init__(InstancesProvider(), resource_name, {"instances": dict(instances)}, opts)
