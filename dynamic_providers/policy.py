"""A Headscale's policy as a Pulumi resource: applied live, read back, restored."""

from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import CheckFailure, CheckResult, CreateResult, DiffResult, ReadResult, UpdateResult
from pulumi.output import Unknown

from dynamic_providers.admin.channel import Channel, ChannelError, InstanceNotFound, InstanceStopped, retry_idempotent
from dynamic_providers.errors import ClusterError
from dynamic_providers.provider import HeadscaleProvider, Props, another_database, changed, keep_outputs
from dynamic_providers.resource import HeadscaleResource
from headscale_core import HeadscaleError, InvalidArgument
from headscale_core.policy import acl_tests
from headscale_core.policy import lifecycle as rules
from headscale_core.values import hujson

_COMPUTED = ("tests_skipped", "tests_can_run")
_CONNECT_TIMEOUT_SECONDS = 3.0
_NOT_CHECKED = "Headscale has not checked the policy"


class PolicyProvider(HeadscaleProvider):
    """Adapter of the policy's rules. Its dotted path is in people's state: moving it needs an alias here."""

    def check(self, olds: Props, news: Props) -> CheckResult:
        """Check the syntax; where `server_check` asks for it, have the running Headscale check one that changed.

        It is the only check of a provider that opens a connection, for at most 3 s, and a Headscale that is not
        reachable is no failure.
        """
        text = news.get("policy")
        if not text or isinstance(text, Unknown):
            return CheckResult(news, [])
        try:
            hujson.parse(text)
        except ValueError as error:
            return CheckResult(news, [CheckFailure("policy", str(error))])
        is_asked = news.get("server_check") is True and text != olds.get("policy")
        problem = self._refusal_by_server(text) if is_asked else None
        return CheckResult(news, [CheckFailure("policy", problem)] if problem else [])

    def _refusal_by_server(self, text: str) -> str | None:
        """Return what Headscale finds wrong; None, with a warning, where it is not reachable or too old to check."""
        channel = Channel(self.channel.settings, connect_timeout_seconds=_CONNECT_TIMEOUT_SECONDS)
        try:
            with channel.session() as client:
                skipped, version = rules.check(client, text), client.version()
            if skipped is None:
                pulumi.log.warn(f"{_NOT_CHECKED}: 0.29 and newer can; the running version is {version}")
            elif skipped:
                pulumi.log.warn(rules.skipped_tests_warning(text, skipped))
        except InvalidArgument as error:
            return f"Headscale refuses it: {rules.single_line(error.detail)}"
        except InstanceNotFound:
            pulumi.log.info(f"{_NOT_CHECKED}: there is no instance yet{_tests_hint(text)}")
        except (ChannelError, ClusterError, HeadscaleError) as error:
            pulumi.log.warn(f"{_NOT_CHECKED}: {str(error).partition(';')[0]}{_tests_hint(text)}")
        finally:
            channel.close()
        return None

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Compare the texts; warn what becomes allowed where the policy is removed."""
        self.channel.journal.policy.declare(is_declared=bool(news.get("policy")))
        if olds.get("policy") and not news.get("policy"):
            pulumi.log.warn(rules.removal_warning(olds["policy"]))
        ownerless = rules.tags_without_owner(olds.get("policy"), news.get("policy"))
        if ownerless:
            pulumi.log.info(rules.removed_tag_owners_warning(ownerless))
        altered = (
            _is_policy_changed(olds, news)
            or olds.get("tests_can_run")
            or changed(("overwrite", "database"), olds, news)
        )
        return DiffResult(changes=bool(altered), replaces=another_database(olds, news))

    def create(self, props: Props) -> CreateResult:
        """Store the policy where one is declared."""
        text = props.get("policy")
        if not text:
            return CreateResult("policy", props)

        def create() -> list[str]:
            with self.channel.change() as client:
                return rules.create(client, text, overwrite=bool(props.get("overwrite")))

        skipped = retry_idempotent(create)
        self.channel.journal.policy.confirm()
        return CreateResult("policy", _outputs(props, skipped))

    def read(self, id_: str, props: Props) -> ReadResult:
        """Return the stored policy, where one is declared; an undeclared one is not managed."""
        inputs = {name: value for name, value in props.items() if name not in _COMPUTED}
        if not props.get("policy"):
            return ReadResult(id_, inputs, inputs)

        def observe() -> rules.ObservedPolicy:
            with self.channel.session(wait_for_pod=False) as client:
                return rules.observe(client, declared=props["policy"])

        try:
            found = retry_idempotent(observe)
        except InstanceNotFound:
            return ReadResult(id_, props, inputs)
        except InstanceStopped as error:
            self.channel.instance_status.warn_refresh_skipped(error)
            return ReadResult(id_, props, inputs)
        inputs["policy"] = found.policy
        outs = {**inputs, "tests_skipped": [*found.skipped] or None, "tests_can_run": found.can_run or None}
        return ReadResult(id_, {name: value for name, value in outs.items() if value is not None}, inputs)

    def update(self, _id: str, olds: Props, news: Props) -> UpdateResult:
        """Store the policy, effective at once; none means Headscale's default, which allows everything."""

        def update() -> list[str]:
            with self.channel.change() as client:
                if news.get("policy") and not olds.get("policy"):
                    # A policy that others stored is kept, as at the creation of an instance.
                    return rules.create(client, news["policy"], overwrite=bool(news.get("overwrite")))
                return rules.store(client, news.get("policy"))

        if _is_policy_changed(olds, news) or olds.get("tests_can_run"):
            skipped = retry_idempotent(update)
            self.channel.journal.policy.confirm()
            return UpdateResult(_outputs(news, skipped))
        return UpdateResult(keep_outputs(news, olds, _COMPUTED))

    def delete(self, _id: str, _props: Props) -> None:
        """Leave the stored policy: it is deleted with the instance, or a policy file replaces it."""


def _outputs(props: Props, skipped: list[str]) -> Props:
    """Return the outputs of a policy that was stored without some of its tests, and warn."""
    if not skipped:
        return props
    pulumi.log.warn(rules.skipped_tests_warning(props["policy"], skipped))
    return {**props, "tests_skipped": skipped}


def _tests_hint(policy: str) -> str:
    """Return a hint about a policy's tests before there is a Headscale."""
    if not acl_tests.has_tests(policy):
        return ""
    return "; its tests need nodes: those whose nodes have not joined by then are left out at first, and reported"


def _is_policy_changed(olds: Props, news: Props) -> bool:
    """Return whether a policy changes its meaning; order of keys, layout and comments do not count."""
    if isinstance(news.get("policy"), Unknown):
        return True
    return bool(changed(("policy",), olds, news)) and not rules.is_equivalent(
        olds.get("policy") or "", news.get("policy") or ""
    )


class Policy(HeadscaleResource, module="headscale", name="Policy"):
    """Who may reach whom in a tailnet.

    Attributes:
        policy: The policy as HuJSON; None for an unmanaged one. From a policy to None allows everything and warns.
        database: Identifies its database; in another one it is stored again; None for none.
        overwrite: Whether a policy that was stored by others before is replaced.
        server_check: True where a preview, and `pulumi up`, ask the running Headscale to check a changed policy (0.29
            and newer can); None, the default, for no connection before something is stored.
        tests_skipped: The tests that Headscale cannot run yet, as `tests[0]`, and that were left out; None for none.
        tests_can_run: Whether a refresh found that one of those can be run by now.
    """

    computed: ClassVar[tuple[str, ...]] = _COMPUTED
    policy: pulumi.Output[str | None]
    overwrite: pulumi.Output[bool | None]
    server_check: pulumi.Output[bool | None]
    tests_skipped: pulumi.Output[list[str] | None]
    tests_can_run: pulumi.Output[bool | None]

    def __init__(
        self,
        resource_name: str,
        *,
        policy: pulumi.Input[str] | None = None,
        overwrite: bool = False,
        server_check: bool = False,
        database: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the policy; `opts.provider` is its `HeadscaleConnection`."""
        props: dict[str, Any] = {
            "policy": policy,
            "overwrite": overwrite or None,
            "server_check": server_check or None,
            "database": database,
            **dict.fromkeys(_COMPUTED),
        }
        super().__init__(PolicyProvider(), resource_name, props, opts)
