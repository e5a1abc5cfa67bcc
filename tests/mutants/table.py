"""The mutants: what is changed, where, and the tests that are tried first."""

from __future__ import annotations

from dataclasses import dataclass

_CORE = ("tests/unit/headscale_core",)
_PROVIDERS = ("tests/unit/dynamic_providers",)
_COMPONENT = ("tests/unit/component",)
_SIDECAR = ("tests/unit/headscale_sidecar",)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault in the code.

    Attributes:
        name: What goes wrong.
        file: Path in the repository.
        before: Text that stands once in the file.
        after: What stands there instead.
        tests: Tests that are tried before all others.
    """

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]


def _in(file: str, tests: tuple[str, ...], *faults: tuple[str, str, str]) -> list[Mutant]:
    return [Mutant(name, file, before, after, tests) for name, before, after in faults]


MUTANTS = [
    *_in(
        "headscale_core/client/errors.py",
        _CORE,
        ("the table of gRPC codes is never used", "    if code in _BY_CODE:", "    if code in ():"),
    ),
    *_in(
        "headscale_core/client/rest_transport.py",
        _CORE,
        (
            "the table of HTTP statuses is empty",
            '_BY_STATUS.get(response.status_code, "UNKNOWN")',
            '{}.get(response.status_code, "UNKNOWN")',
        ),
    ),
    *_in(
        "dynamic_providers/kubernetes/secret_store.py",
        _PROVIDERS,
        ("ownership of a Secret is never checked", "        if not self._is_owned(labels):", "        if False:"),
        (
            "a Secret that changed since is deleted",
            '"preconditions": {"resourceVersion": version}}',
            '"preconditions": {}}',
        ),
    ),
    *_in(
        "dynamic_providers/connection.py",
        _COMPONENT,
        (
            "API key and kubeconfig are not secret",
            "if name in SECRETS else",
            "if name in () else",
        ),
    ),
    *_in(
        "dynamic_providers/settings.py",
        _COMPONENT,
        (
            "an API key is not secret",
            "    api_key: Text | None = _default(is_secret=True)",
            "    api_key: Text | None = _default()",
        ),
        (
            "a kubeconfig is not secret",
            "    kubeconfig: Text | None = _default(is_secret=True)",
            "    kubeconfig: Text | None = _default()",
        ),
    ),
    *_in(
        "dynamic_providers/pre_auth_key.py",
        _COMPONENT,
        ("a preauth key is not secret", 'additional_secret_outputs=["key"]', "additional_secret_outputs=[]"),
    ),
    *_in(
        "headscale_component/admin_resources.py",
        _COMPONENT,
        ("users are deleted one by one on destroy", "deleted_with=self._rollout)", "deleted_with=None)"),
        ("a renamed user has no alias", "aliases=before, ", ""),
        ("a retained user is deleted", "retain_on_delete=profile.retain or None", "retain_on_delete=None"),
        (
            "preauth keys do not wait for the policy",
            "opts=self._options(self.policy or self._rollout, *",
            "opts=self._options(self._rollout, *",
        ),
    ),
    *_in(
        "headscale_component/cluster_objects.py",
        _COMPONENT,
        ("claim templates are compared", '["spec.volumeClaimTemplates"] if', "[] if"),
        (
            "objects of one name are created before they are deleted",
            "item.key == NAMESPACE else True,",
            "item.key == NAMESPACE else None,",
        ),
        ("the namespace goes with the instance", "retain_on_delete=True if", "retain_on_delete=None if"),
        ("objects do not wait for the preflight", "first = [preflight, *", "first = [*"),
    ),
    *_in(
        "dynamic_providers/admin/read_write_lock.py",
        _PROVIDERS,
        ("the exclusive lock waits for nobody", "lambda: not self._together", "lambda: True"),
    ),
    *_in(
        "dynamic_providers/user.py",
        _PROVIDERS,
        (
            "keysOnUserDeletion is ignored",
            'if settings.keys_on_user_deletion != "remake":',
            "if False:",
        ),
    ),
    *_in(
        "headscale_core/users/lifecycle.py",
        _CORE,
        ("users with nodes are deleted", "    if nodes and not delete_nodes:", "    if False:"),
        (
            "0.28 deletes other people's keys with a user",
            "    elif client.minor_version() == WIPES_ALL_KEYS:",
            "    elif False:",
        ),
    ),
    *_in(
        "headscale_core/keys/pre_auth_key.py",
        _CORE,
        (
            "the key of an interrupted run stays",
            "if pending is not None and key.expiration == pending",
            "if False and key.expiration == pending",
        ),
        (
            "the Secret of another key is deleted",
            "    if stored is None or not holds(stored, state):",
            "    if stored is None:",
        ),
    ),
    *_in(
        "headscale_core/keys/pre_auth_key_secret.py",
        _CORE,
        ("a key is printed with its text", "    text: str = field(repr=False)", "    text: str = field()"),
    ),
    *_in(
        "headscale_core/keys/api_key_secret.py",
        _CORE,
        ("an edited Secret passes as written", "stored.annotations.get(DIGEST) != _digest(text)", "False"),
    ),
    *_in(
        "headscale_core/keys/api_key.py",
        _CORE,
        (
            "a superseded key is revoked at once",
            "    over = {prefix for prefix, time in superseded_in(stored).items() if time <= now}",
            "    over = set(superseded_in(stored))",
        ),
    ),
    *_in(
        "headscale_core/keys/secrets.py",
        _CORE,
        (
            "Secrets are printed with their data",
            "    data: Mapping[str, str] = field(repr=False)",
            "    data: Mapping[str, str] = field()",
        ),
    ),
    *_in(
        "headscale_core/rollout/rollout.py",
        _PROVIDERS,
        (
            "the old template's pod counts as ready",
            'get("controller-revision-hash") != status.get("updateRevision")',
            'get("controller-revision-hash") is None',
        ),
        (
            "the controller's old view of the StatefulSet counts",
            'get("observedGeneration", 0) < stateful_set["metadata"]["generation"]',
            'get("observedGeneration", 0) < 0',
        ),
        ("a PVC of a newer version is taken", "if not (step := step_problem(served, version)):", "if True:"),
        (
            "a PVC that is about to shrink is taken",
            "    if problem := claim_problem(place, claim, size, storage_class):",
            "    if problem := False:",
        ),
    ),
    *_in(
        "dynamic_providers/preflight.py",
        _PROVIDERS,
        ("data is left behind without consent", 'if news.get("abandon_data") != str(old):', "if False:"),
        ("another cluster is not noticed", "return bool(now) and now != before", "return False"),
    ),
    *_in(
        "headscale_sidecar/keeper.py",
        _SIDECAR,
        (
            "ready with a key that Headscale does not know",
            'return "" if is_valid else "Headscale does not know the key", not is_valid',
            'return "", False',
        ),
        (
            "ready with a key that it just made and that does not work",
            "if is_new and not self.is_valid(stored.data[API_KEY_DATA_KEY]):",
            "if False:",
        ),
        ("a key's text is in the reason of a failure", 'return _KEY.sub("(key)", line)', "return line"),
        ("ready after the key has ended", "self.health.expires_at <= self.now().timestamp()", "False"),
        ("failures have no longer pauses", "2.0 ** min(self.failures_in_a_row - 1, 6)", "1.0"),
    ),
    *_in(
        "headscale_sidecar/health.py",
        _SIDECAR,
        ("alive although the loop is dead", "if age > _STALE_SECONDS else", "if False else"),
    ),
    *_in(
        "headscale_sidecar/kubernetes.py",
        _SIDECAR,
        (
            "the sidecar takes a Secret that is not its own",
            "if any(labels.get(key) != value for key, value in self._labels().items()):",
            "if False:",
        ),
    ),
]
