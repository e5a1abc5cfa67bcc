"""The mutants: a place in the source, what stands there instead, and the unit tests that have to notice.

The source text is as short as it can be and still occur once. Where code moves to another file the runner finds it
there; where it is rewritten, rewrite the mutant too: by its name it says what must never go unnoticed.
"""

from typing import NamedTuple

SECRECY = "tests/unit/headscale_core/test_key_secrecy.py"
CONTRACTS = "tests/unit/dynamic_providers/test_kubernetes_on_the_fake.py"
ERRORS = "tests/unit/headscale_core/test_errors_on_the_fake.py"
KEYS = "tests/unit/headscale_core/test_keys_on_the_fake.py"
USERS = "tests/unit/headscale_core/test_users_on_the_fake.py"
PROVIDERS = "tests/unit/dynamic_providers/test_providers_on_the_fakes.py"
OPTIONS = "tests/unit/component/test_options.py"
DENY_ALL = "tests/unit/headscale_sidecar/test_deny_all.py"
CONTROLLER = "tests/unit/headscale_sidecar/test_sidecar.py"
READINESS = "tests/unit/headscale_sidecar/test_readiness.py"
HEALTH = "tests/unit/headscale_sidecar/test_health.py"
SIDECAR_MAIN = "tests/unit/headscale_sidecar/test_main.py"
SIDECAR_API = "tests/unit/headscale_sidecar/test_api_server.py"
ROLLOUT_RULES = "tests/unit/dynamic_providers/test_rollout_rules.py"
ROLLOUT = "tests/unit/dynamic_providers/test_rollout.py"
ROLLOUT_LIFECYCLE = "tests/unit/dynamic_providers/test_rollout_lifecycle.py"
ROLLOUT_WATCHER = "tests/unit/dynamic_providers/test_rollout_watcher.py"
PREFLIGHT = "tests/unit/dynamic_providers/test_preflight.py"
PREFLIGHT_POLICY = "tests/unit/dynamic_providers/test_preflight_policy.py"
INSTANCES = "tests/unit/dynamic_providers/test_instances.py"
POLICY = "tests/unit/dynamic_providers/test_policy_lifecycle.py"
POLICY_BEFORE_KEYS = "tests/unit/dynamic_providers/test_policy_before_keys.py"
FAILURES = "tests/unit/dynamic_providers/test_failures.py"
STOPPED = "tests/unit/dynamic_providers/test_stopped.py"
RETRY = "tests/unit/dynamic_providers/test_retry.py"
DIALER = "tests/unit/dynamic_providers/test_connection_dialer.py"
MANIFESTS = "tests/unit/manifests"


class Mutant(NamedTuple):
    """A fault.

    Attributes:
        name: What is wrong with it.
        file: The file, from the repository's root.
        old: What stands there, once.
        new: What stands there instead.
        tests: Which tests have to notice; where they do not, all unit tests are run.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTANTS = (
    # The client.
    Mutant(
        "client: gRPC codes mean nothing",
        "headscale_core/client/errors.py",
        "if code in _BY_CODE:",
        "if code in ():",
        (ERRORS,),
    ),
    Mutant(
        "client: HTTP statuses mean nothing",
        "headscale_core/client/rest_transport.py",
        '_BY_STATUS.get(response.status_code, "UNKNOWN")',
        '"UNKNOWN"',
        (ERRORS,),
    ),
    # Secrets, and what stands in the state.
    Mutant(
        "secrets: a Secret that is not owned is read as owned",
        "dynamic_providers/kubernetes/secret_store.py",
        "return all(with_namespace.get(key) == value for key, value in self._labels().items())",
        "return True",
        (CONTRACTS, PROVIDERS),
    ),
    Mutant(
        "secrets: a Secret that changed since it was read is deleted",
        "dynamic_providers/kubernetes/secret_store.py",
        '"preconditions": {"resourceVersion": version}}',
        '"preconditions": {}}',
        (CONTRACTS,),
    ),
    Mutant(
        "state: API key and kubeconfig of a connection stand in clear",
        "dynamic_providers/connection.py",
        "if name in SECRETS else",
        "if name in () else",
        (OPTIONS,),
    ),
    Mutant(
        "state: the text of a preauth key stands in clear",
        "dynamic_providers/pre_auth_key.py",
        'additional_secret_outputs=["key"]',
        "additional_secret_outputs=[]",
        (OPTIONS,),
    ),
    # The component's options.
    Mutant(
        "component: destroy deletes users one by one",
        "headscale_component/admin_resources.py",
        "deleted_with=self._rollout)",
        "deleted_with=None)",
        (OPTIONS,),
    ),
    Mutant(
        "component: a change of the PVC template replaces the StatefulSet",
        "headscale_component/cluster_objects.py",
        'ignore_changes=["spec.volumeClaimTemplates"] if item.key == STATEFUL_SET else None',
        "ignore_changes=None",
        (OPTIONS,),
    ),
    Mutant(
        "component: an object is created before the one of its name is deleted",
        "headscale_component/cluster_objects.py",
        "delete_before_replace=None if item.is_autonamed or item.key == NAMESPACE else True",
        "delete_before_replace=None",
        (OPTIONS,),
    ),
    Mutant(
        "component: a namespace is deleted with its instance",
        "headscale_component/cluster_objects.py",
        "retain_on_delete=True if item.key == NAMESPACE else None",
        "retain_on_delete=None",
        (OPTIONS,),
    ),
    Mutant(
        "component: a renamed user is deleted and created",
        "headscale_component/admin_resources.py",
        "aliases=before,",
        "aliases=None,",
        (OPTIONS,),
    ),
    Mutant(
        "component: a user that is to be retained is deleted",
        "headscale_component/admin_resources.py",
        "retain_on_delete=profile.retain or None",
        "retain_on_delete=None",
        (OPTIONS,),
    ),
    Mutant(
        "component: the policy is stored after the keys",
        "headscale_component/admin_resources.py",
        "self._options(self.policy or self._rollout, *(",
        "self._options(self._rollout, *(",
        (OPTIONS,),
    ),
    Mutant(
        "component: the rollout does not wait for the StatefulSet",
        "headscale_component/component.py",
        "depends_on=[workload]",
        "depends_on=[]",
        (OPTIONS,),
    ),
    Mutant(
        "component: objects change before the preflight",
        "headscale_component/cluster_objects.py",
        "first = [preflight, *",
        "first = [*",
        (OPTIONS,),
    ),
    Mutant(
        "role: the sidecar may read every Secret of the namespace",
        "headscale_component/manifests/role.py",
        "resource_names=[spec.api_key.secret_name],",
        "",
        (MANIFESTS,),
    ),
    # The admin channel.
    Mutant(
        "channel: an exclusive lock waits for nobody",
        "dynamic_providers/admin/read_write_lock.py",
        "self._released.wait_for(lambda: not self._readers)",
        "pass",
        (PROVIDERS,),
    ),
    Mutant(
        "channel: a broken connection is never retried",
        "dynamic_providers/retry.py",
        "lambda error: isinstance(error, ConnectionLost))",
        "lambda _error: False)",
        (RETRY,),
    ),
    Mutant(
        "channel: a retry goes on past its deadline",
        "dynamic_providers/retry.py",
        "tenacity.stop_never if deadline is None else tenacity.stop_before_delay(deadline)",
        "tenacity.stop_after_delay(999)",
        (RETRY,),
    ),
    Mutant(
        "channel: a temporary key that was not printed is used",
        "dynamic_providers/admin/connection_dialer.py",
        "if not isinstance(key, str) or not key:",
        "if False:",
        (DIALER,),
    ),
    Mutant(
        "channel: a cluster without the instance proves its deletion",
        "dynamic_providers/admin/channel.py",
        "if not self.user_registry.is_found(user):",
        "if False:",
        (FAILURES,),
    ),
    Mutant(
        "channel: an unreachable cluster is taken for one that is gone",
        "dynamic_providers/failures.py",
        'if os.environ.get(DROP_VARIABLE) != "true":',
        "if False:",
        (FAILURES,),
    ),
    Mutant(
        "channel: keys deleted while Headscale was away are never revoked",
        "dynamic_providers/admin/channel.py",
        "                self.revocations.revoke_pending(client)\n",
        "",
        (STOPPED,),
    ),
    # Users.
    Mutant(
        "users: keysOnUserDeletion is ignored",
        "dynamic_providers/user.py",
        'if settings.keys_on_user_deletion not in ("recreate", "remake"):',
        "if settings:",
        (PROVIDERS,),
    ),
    Mutant(
        "users: a user with nodes is deleted",
        "headscale_core/users/lifecycle.py",
        "if nodes and not delete_nodes:",
        "if False:",
        (PROVIDERS, USERS),
    ),
    Mutant(
        "users: a user with nodes is deleted for its profile",
        "headscale_core/users/lifecycle.py",
        "    if nodes:\n        raise UserError(",
        "    if False:\n        raise UserError(",
        (USERS,),
    ),
    Mutant(
        "users: 0.28 deletes the keys of others with a user",
        "headscale_core/users/lifecycle.py",
        "        _keep_keys_of_others(client, user, now)\n",
        "        pass\n",
        (PROVIDERS, USERS),
    ),
    Mutant(
        "users: a user that is not owned is adopted without consent",
        "headscale_core/users/adoption.py",
        "    if adopt is None:\n",
        "    if False:\n",
        (USERS,),
    ),
    # Keys.
    Mutant(
        "keys: the old API key is revoked before the new one is in its Secret",
        "headscale_core/keys/api_key.py",
        "    text = client.create_api_key(expires_at)\n",
        "    text = client.create_api_key(expires_at)\n"
        "    for name in filter(None, (*old, annotations.get(KEY_ID))):\n"
        "        revoke(client, name)\n",
        (KEYS,),
    ),
    Mutant(
        "keys: an API key whose Secret cannot be written stays valid",
        "headscale_core/keys/api_key.py",
        "            revoke(client, prefix)\n        raise\n",
        "            pass\n        raise\n",
        (PROVIDERS, KEYS),
    ),
    Mutant(
        "keys: a killed run leaves no trace of its API key",
        "headscale_core/keys/api_key.py",
        "**annotations, PENDING: expires_at.isoformat()}",
        "**annotations}",
        (KEYS,),
    ),
    Mutant(
        "keys: a replaced API key is never revoked",
        "headscale_core/keys/api_key.py",
        "if key.prefix in over or (",
        "if (",
        (KEYS,),
    ),
    Mutant(
        "keys: an edited Secret passes for the issued API key",
        "headscale_core/keys/api_key_secret.py",
        " or stored.annotations.get(DIGEST) != _digest(text)",
        "",
        (CONTROLLER, KEYS),
    ),
    Mutant(
        "keys: a replaced API key is revoked before the overlap is over",
        "headscale_core/keys/api_key.py",
        "over = {prefix for prefix, time in superseded_in(stored).items() if time <= now}",
        "over = set(superseded_in(stored))",
        (SECRECY,),
    ),
    Mutant(
        "keys: a preauth key whose Secret cannot be written stays valid",
        "headscale_core/keys/pre_auth_key.py",
        "            client.delete_pre_auth_key(key.id)\n        raise\n",
        "            pass\n        raise\n",
        (PROVIDERS, KEYS),
    ),
    Mutant(
        "keys: the preauth key of an interrupted run stays valid",
        "headscale_core/keys/pre_auth_key.py",
        "if pending is not None and key.expiration == pending and",
        "if False and",
        (KEYS,),
    ),
    Mutant(
        "keys: the Secret of another preauth key is deleted",
        "headscale_core/keys/pre_auth_key.py",
        "if stored is None or not belongs_to(stored, state):",
        "if stored is None:",
        (KEYS,),
    ),
    Mutant(
        "keys: the text of a preauth key is in its repr",
        "headscale_core/keys/pre_auth_key_secret.py",
        "    text: str = field(repr=False)",
        "    text: str = field()",
        (SECRECY,),
    ),
    Mutant(
        "secrets: the data of a Secret is in its repr",
        "headscale_core/keys/secrets.py",
        "    data: Mapping[str, str] = field(repr=False)",
        "    data: Mapping[str, str] = field()",
        (SECRECY,),
    ),
    # The sidecar.
    Mutant(
        "sidecar: ready with a key that does not work",
        "headscale_sidecar/controller.py",
        'return "" if is_valid else "Headscale does not know the key", not is_valid',
        'return "", False',
        (CONTROLLER,),
    ),
    Mutant(
        "sidecar: a new key is not tried",
        "headscale_sidecar/controller.py",
        "if is_new and not self.is_valid(stored.data[API_KEY_DATA_KEY]):",
        "if False:",
        (CONTROLLER,),
    ),
    Mutant(
        "sidecar: ready while the key is lost",
        "headscale_sidecar/controller.py",
        "        if is_lost:\n",
        "        if False:\n",
        (CONTROLLER,),
    ),
    Mutant(
        "sidecar: ready after the key has expired",
        "headscale_sidecar/controller.py",
        "if self.health.expires_at <= self.now().timestamp():",
        "if False:",
        (READINESS,),
    ),
    Mutant(
        "sidecar: a key's text is in a log line",
        "headscale_sidecar/controller.py",
        '_KEY.sub("(key)", line)',
        "line",
        (READINESS,),
    ),
    Mutant(
        "sidecar: a new key is logged",
        "headscale_sidecar/controller.py",
        'self.log("created an API key", reason=reason, prefix=prefix)',
        'self.log("created an API key", reason=reason, prefix=str(getattr(self._read_secret()[0], "data", "")))',
        (READINESS,),
    ),
    Mutant(
        "sidecar: failures are repeated without a pause",
        "headscale_sidecar/controller.py",
        "pause = min(longest, _FIRST_BACKOFF_SECONDS *",
        "pause = 0.0 * min(longest, _FIRST_BACKOFF_SECONDS *",
        (CONTROLLER,),
    ),
    Mutant(
        "sidecar: healthy while the loop is dead",
        "headscale_sidecar/health.py",
        'if age > _STALE_SECONDS else ""',
        'if age < 0 else ""',
        (HEALTH,),
    ),
    Mutant(
        "sidecar: healthy while the relay accepts no connection",
        "headscale_sidecar/__main__.py",
        "state.checks = (admin.failure_reason,)",
        "state.checks = ()",
        (SIDECAR_MAIN,),
    ),
    Mutant(
        "sidecar: the relay listens where everybody reaches it",
        "headscale_sidecar/settings.py",
        "if relay[1] and relay[0] not in _LOOPBACK:",
        "if False:",
        (CONTROLLER,),
    ),
    Mutant(
        "sidecar: a Secret that is not owned is read as owned",
        "headscale_sidecar/kubernetes.py",
        "if any(labels.get(key) != value for key, value in self._labels().items()):",
        "if False:",
        (CONTRACTS,),
    ),
    Mutant(
        "sidecar: its Secret outlives the instance",
        "headscale_sidecar/kubernetes.py",
        '"ownerReferences": [self._owner_reference(namespace)],',
        '"ownerReferences": [],',
        (CONTRACTS,),
    ),
    Mutant(
        "sidecar: every server is taken for the API server",
        "headscale_sidecar/kubernetes.py",
        "trust = ssl.create_default_context(",
        "trust = ssl._create_unverified_context(",
        (SIDECAR_API,),
    ),
    Mutant(
        "sidecar: SIGTERM does not end it",
        "headscale_sidecar/__main__.py",
        "        stop.set()\n",
        "        pass\n",
        (SIDECAR_MAIN,),
    ),
    # The policy.
    Mutant(
        "policy: the sidecar overwrites a stored one",
        "headscale_core/policy/deny_all.py",
        "        if client.get_policy():\n            return False\n",
        "        client.get_policy()\n",
        (DENY_ALL,),
    ),
    Mutant(
        "policy: a new database stays open",
        "headscale_core/policy/deny_all.py",
        "        client.set_policy(DENY_ALL)\n",
        "        pass\n",
        (DENY_ALL,),
    ),
    Mutant(
        "policy: the one that the sidecar stored is kept against the declared one",
        "headscale_core/policy/lifecycle.py",
        "found not in {declared, DENY_ALL}",
        "found not in {declared}",
        (DENY_ALL,),
    ),
    Mutant(
        "policy: the sidecar is ready before Headscale has one",
        "headscale_sidecar/controller.py",
        "                self._ensure_policy()\n",
        "                pass\n",
        (CONTROLLER,),
    ),
    Mutant(
        "policy: a declared one does not close the new database",
        "headscale_component/manifests/containers.py",
        'mode == "database" and spec.policy is None',
        'mode == "database"',
        (MANIFESTS,),
    ),
    Mutant(
        "policy: one that is not owned is overwritten",
        "headscale_core/policy/lifecycle.py",
        "        found\n        and not overwrite\n",
        "        False\n",
        (POLICY,),
    ),
    Mutant(
        "policy: a preauth key is created though the stored policy was cleared",
        "dynamic_providers/pre_auth_key.py",
        "                self.channel.journal.policy.require(client, title)\n",
        "",
        (POLICY_BEFORE_KEYS,),
    ),
    Mutant(
        "policy: one that Headscale refuses passes the preview",
        "dynamic_providers/policy.py",
        "problem = self._refusal_by_server(text) if is_asked else None",
        "problem = None",
        (POLICY,),
    ),
    Mutant(
        "policy: a preview connects to Headscale unasked",
        "dynamic_providers/policy.py",
        'news.get("server_check") is True and',
        "True and",
        (POLICY,),
    ),
    # Rollout, preflight, and what leaves data behind.
    Mutant(
        "rollout: the pod of the old template counts as ready",
        "headscale_core/rollout/rollout.py",
        '.get("controller-revision-hash") != status.get("updateRevision"):',
        '.get("controller-revision-hash") == "":',
        (ROLLOUT_RULES, ROLLOUT_WATCHER),
    ),
    Mutant(
        "rollout: a StatefulSet that no controller has seen counts",
        "headscale_core/rollout/rollout.py",
        '.get("observedGeneration", 0) < stateful_set["metadata"]["generation"]:',
        '.get("observedGeneration", 0) < 0:',
        (ROLLOUT_RULES,),
    ),
    Mutant(
        "rollout: a pod that is being deleted counts as ready",
        "headscale_core/rollout/pod_status.py",
        'return not pod["metadata"].get("deletionTimestamp") and bool(ready)',
        "return bool(ready)",
        (ROLLOUT_RULES, "tests/unit/dynamic_providers/test_running_rules.py"),
    ),
    Mutant(
        "rollout: Headscale goes back to an older version",
        "headscale_core/rollout/upgrade.py",
        "if new < old:",
        "if False:",
        (INSTANCES, ROLLOUT, PREFLIGHT),
    ),
    Mutant(
        "rollout: a PVC that holds data is recreated",
        "headscale_core/rollout/pvc.py",
        "if not was_never_bound(pvc) or not _is_by_template(",
        "if not _is_by_template(",
        (ROLLOUT_RULES,),
    ),
    Mutant(
        "rollout: another PVC than before goes unnoticed",
        "dynamic_providers/rollout.py",
        'if olds.get("claim") and pvc_uid and pvc_uid != olds["claim"]:',
        "if False:",
        (ROLLOUT_LIFECYCLE,),
    ),
    Mutant(
        "rollout: retained data is deleted",
        "dynamic_providers/rollout.py",
        'if not props.get("retain") and props.get("claim"):',
        'if props.get("claim"):',
        (ROLLOUT_LIFECYCLE,),
    ),
    Mutant(
        "rollout: a PVC that took the place of another is deleted",
        "dynamic_providers/kubernetes/rollout_watcher.py",
        '"kind": "DeleteOptions", "preconditions": {"uid": uid}}',
        '"kind": "DeleteOptions"}',
        (ROLLOUT_LIFECYCLE,),
    ),
    Mutant(
        "rollout: a failed rollout is not followed again",
        "dynamic_providers/rollout.py",
        "if not self._watcher.is_settled(_desired(props)) or",
        "if",
        (ROLLOUT_LIFECYCLE,),
    ),
    Mutant(
        "rollout: data is left behind without consent",
        "dynamic_providers/rollout.py",
        'if not rules.is_consented(old, olds.get("abandon_data"), consent, elsewhere=elsewhere):',
        "if False:",
        (ROLLOUT,),
    ),
    Mutant(
        "preflight: a moved namespace is accepted without consent",
        "dynamic_providers/preflight.py",
        'if not is_consented(old, olds.get("abandon_data"), news.get("abandon_data"), elsewhere=elsewhere):',
        "if False:",
        (PREFLIGHT,),
    ),
    Mutant(
        "preflight: a PVC that cannot serve is found after the change",
        "dynamic_providers/preflight.py",
        "        if problem:\n            raise RolloutError(problem)",
        "        if False:\n            raise RolloutError(problem)",
        (PREFLIGHT,),
    ),
    Mutant(
        "preflight: a database of a newer version is taken",
        "headscale_core/rollout/pvc.py",
        "if not (step := step_problem(served, version)):",
        "if True:",
        (PREFLIGHT,),
    ),
    Mutant(
        "preflight: a PVC that would have to shrink is taken",
        "headscale_core/rollout/pvc.py",
        "    if problem := pvc_problem(location, pvc, size, storage_class):\n        return problem\n    served",
        "    served",
        (PREFLIGHT,),
    ),
    Mutant(
        "preflight: another cluster goes unnoticed",
        "dynamic_providers/preflight.py",
        "return is_another_cluster(*(Identity.of(*map(props.get, names)) for props in (before, now)))",
        "return False",
        (PREFLIGHT,),
    ),
    Mutant(
        "preflight: a policy that somebody edited is overwritten",
        "headscale_core/policy/lifecycle.py",
        'return stored in {"", DENY_ALL} or any(',
        "return True or any(",
        (PREFLIGHT_POLICY,),
    ),
    Mutant(
        "preflight: the new version starts with the old policy",
        "dynamic_providers/preflight.py",
        'if is_another_minor(olds.get("version"), news.get("version")) and',
        "if False and",
        (PREFLIGHT_POLICY,),
    ),
    Mutant(
        "instances: a rename is accepted without consent",
        "dynamic_providers/instances.py",
        "return CheckResult(news, failures)",
        "return CheckResult(news, [])",
        (INSTANCES,),
    ),
)
