"""A Headscale's policy as a Pulumi resource: applied live, read back, restored."""

from typing import Any

import pulumi
from pulumi.dynamic import CheckFailure, CheckResult, CreateResult, DiffResult, ReadResult, Resource, UpdateResult
from pulumi.output import Unknown

from dynamic_providers.channel import Channel, ChannelError, HeadscaleGone, repeat_safely
from dynamic_providers.provider import HeadscaleProvider, Props, changed
from dynamic_providers.rules import policy as rules
from headscale_api import HeadscaleError, InvalidArgument, hujson

_PATIENCE_IN_PREVIEW_SECONDS = 3.0


class PolicyProvider(HeadscaleProvider):
    """Adapter of the policy's rules. Its dotted path is in people's state: moving it needs an alias here."""

    def check(self, olds: Props, news: Props) -> CheckResult:
        """Check the syntax; have Headscale check one that changed, where it can and is in reach."""
        text = news.get("policy")
        if not text or isinstance(text, Unknown):
            return CheckResult(news, [])
        try:
            hujson.parse(text)
        except ValueError as error:
            return CheckResult(news, [CheckFailure("policy", str(error))])
        problem = self._server_says(text) if text != olds.get("policy") else None
        return CheckResult(news, [CheckFailure("policy", problem)] if problem else [])

    def _server_says(self, text: str) -> str | None:
        """Return what Headscale finds wrong; nothing where it is not in reach, for a preview must not need it."""
        channel = Channel(self.channel.settings, open_seconds=_PATIENCE_IN_PREVIEW_SECONDS)
        try:
            with channel.session() as client:
                client.check_policy(text)
        except InvalidArgument as error:
            if not rules.may_yet_come_true(error.detail):
                return f"Headscale refuses it: {error.detail}"
            pulumi.log.warn(f"Headscale would refuse the policy as things are now: {error.detail}")
        except HeadscaleGone:
            pulumi.log.info("the policy was not shown to Headscale: it is not there yet")
        except (ChannelError, HeadscaleError) as error:
            pulumi.log.info(f"the policy was not shown to Headscale: {str(error).partition(';')[0]}")
        finally:
            channel.close()
        return None

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Compare the texts; say what becomes allowed where the policy goes."""
        if olds.get("policy") and not news.get("policy"):
            pulumi.log.warn(rules.what_removal_allows(olds["policy"]))
        return DiffResult(changes=bool(_is_another(olds, news) or changed(("overwrite",), olds, news)))

    def create(self, props: Props) -> CreateResult:
        """Store the policy where one is declared."""

        def create() -> None:
            with self.channel.change() as client:
                rules.create(client, props.get("policy"), overwrite=bool(props.get("overwrite")))

        if props.get("policy"):
            repeat_safely(create)
        return CreateResult("policy", props)

    def read(self, id_: str, props: Props) -> ReadResult:
        """Return the policy in force, where one is declared; what is not declared is left to others."""
        if not props.get("policy"):
            return ReadResult(id_, props, props)

        def in_force() -> str:
            with self.channel.session() as client:
                return rules.in_force(client, declared=props["policy"])

        try:
            outs = {**props, "policy": repeat_safely(in_force)}
        except HeadscaleGone:
            outs = props
        return ReadResult(id_, outs, outs)

    def update(self, _id: str, olds: Props, news: Props) -> UpdateResult:
        """Store the policy, in force at once; none means Headscale's default, by which everybody reaches everybody."""

        def update() -> None:
            with self.channel.change() as client:
                rules.store(client, news.get("policy"))

        if _is_another(olds, news):
            repeat_safely(update)
        return UpdateResult(news)

    def delete(self, _id: str, _props: Props) -> None:
        """Leave what is in force: this goes where the instance goes, or where a file takes its place."""


def _is_another(olds: Props, news: Props) -> bool:
    """Return whether a policy says something else; the order of its keys, its layout and its comments do not."""
    return bool(changed(("policy",), olds, news)) and not rules.means_the_same(
        olds.get("policy") or "", news.get("policy") or ""
    )


class Policy(Resource, module="headscale", name="Policy"):
    """Who may reach whom in a tailnet.

    Attributes:
        policy: The policy as HuJSON; None leaves it to others. From a policy to None opens everything, and says so.
        overwrite: Whether a policy that was stored by others before is replaced.
    """

    policy: pulumi.Output[str | None]
    overwrite: pulumi.Output[bool | None]

    def __init__(
        self,
        resource_name: str,
        *,
        policy: pulumi.Input[str] | None = None,
        overwrite: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the policy; `opts.provider` is its `HeadscaleConnection`."""
        props: dict[str, Any] = {"policy": policy, "overwrite": overwrite or None}
        super().__init__(PolicyProvider(), resource_name, props, opts)
