"""The provider's service: each call of the engine in terms of objects, rules and waits."""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Callable
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.empty_pb2 import Empty
from google.rpc import status_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2, provider_pb2_grpc

from dynamic_providers.cluster import Answer, Cluster, ClusterUnreachable
from lab.standins.kubernetes_provider import readiness, replace_rules
from lab.standins.kubernetes_provider.objects import Objects, Reference
from lab.standins.kubernetes_provider.values import (
    Tree,
    folded,
    from_wire,
    holds_unknown,
    opened,
    to_wire,
    with_secrets,
)

_INTERNAL = {"__inputs", "__initialApiVersion", "__fieldManager"}
_AUTONAMED = "pulumi.com/autonamed"
_FORCE = "pulumi.com/patchForce"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_PAUSES = (0, 1, 2, 4, 8, 16)
"""Pauses before each try to create in a namespace that is not there (6.4 of what was seen)."""
_UNREACHABLE = "configured Kubernetes cluster is unreachable: unable to load schema information from the API server: {}"
_FORGET = (
    " If the cluster was deleted, you can remove this resource from Pulumi state by rerunning the operation with the "
    'PULUMI_K8S_DELETE_UNREACHABLE environment variable set to "true"'
)

Message = Any  # the generated classes have no types


class KubernetesProvider(provider_pb2_grpc.ResourceProviderServicer):
    """The provider; one process serves one provider resource."""

    def __init__(self, engine: str) -> None:
        self._engine_address = engine
        self._engine: engine_pb2_grpc.EngineStub | None = None
        self._stop = threading.Event()
        self._objects = Objects(Cluster())
        self._mutable: frozenset[str] = frozenset()
        self._upserts = False

    def stop(self) -> None:
        """End all waits; what was begun is recorded as it is."""
        self._stop.set()

    # Methods have the wire's names, and context is part of the wire's signature.
    # ruff: noqa: N802, ARG002

    def Handshake(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Take the engine's address."""
        self._engine_address = request.engine_address or self._engine_address
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, accept_outputs=False)

    def Attach(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Take the address of an engine that did not start us."""
        self._engine_address = request.address
        return Empty()

    def GetPluginInfo(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Say which version this stands in for."""
        return plugin_pb2.PluginInfo(version="4.34.2")

    def CheckConfig(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Take any configuration."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Never replace everything because the configuration changed."""
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Take the cluster's address; nothing is called yet."""
        settings = opened(from_wire(request.args))
        cluster = Cluster(settings.get("kubeconfig"), settings.get("context"))
        self._objects = Objects(cluster, settings.get("namespace") or "default")
        upsert = settings.get("upsertExistingObjects") or os.environ.get("PULUMI_K8S_UPSERT_EXISTING_OBJECTS")
        self._upserts = _is_true(upsert)
        flags = {"ConfigMap": "enableConfigMapMutable", "Secret": "enableSecretMutable"}
        self._mutable = frozenset(kind for kind, flag in flags.items() if _is_true(settings.get(flag)))
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, acceptResources=False, acceptOutputs=False
        )

    def Check(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Fill in what the provider decides: a name where none was given, a namespace, a Secret's encoding."""
        news, olds = folded(from_wire(request.news)), from_wire(request.olds)
        metadata = dict(news.get("metadata") or {})
        if "generateName" in metadata:
            reason = "the `.metadata.generateName` field is not supported in Server-Side Apply mode"
            return provider_pb2.CheckResponse(failures=[provider_pb2.CheckFailure(reason=reason)])
        if "name" not in metadata:
            previous = olds.get("metadata") or {}
            kept = previous.get("name") if (previous.get("annotations") or {}).get(_AUTONAMED) == "true" else None
            metadata["name"] = kept or f"{_name_of(request.urn)}-{secrets.token_hex(4)}"
            metadata["annotations"] = {**(metadata.get("annotations") or {}), _AUTONAMED: "true"}
        where = self._objects.reference({**news, "metadata": metadata})
        if where.namespace:
            metadata["namespace"] = where.namespace
        return provider_pb2.CheckResponse(inputs=to_wire({**news, "metadata": metadata}))

    def Diff(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Compare inputs with inputs: the cluster is not asked (rule 6)."""
        old = _inputs_of(request)
        new = from_wire(request.news)
        found = replace_rules.compare(old, new)
        paths = replace_rules.replacing(found, old, mutable=self._mutable, patch=_is_patch(request.urn))
        replaces = sorted(set(paths))
        detailed = {each.path: _detail(each, replaces=each.path in paths) for each in found}
        kinds = provider_pb2.DiffResponse
        return kinds(
            changes=kinds.DIFF_SOME if found else kinds.DIFF_NONE,
            replaces=replaces,
            deleteBeforeReplace=bool(replaces) and replace_rules.delete_before_replace(old, new),
            diffs=sorted({each.path.partition(".")[0] for each in found}),
            detailedDiff=detailed,
            hasDetailedDiff=True,
        )

    def Create(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Create and wait; in a preview, ask the server what it would do, where that can be asked (rule 2)."""
        inputs = from_wire(request.properties)
        manager = f"pulumi-kubernetes-{secrets.token_hex(4)}"
        where, patch = self._objects.reference(inputs), _is_patch(request.urn)
        if request.preview:
            live = self._previewed_create(context, request.urn, where, inputs, patch=patch)
            return provider_pb2.CreateResponse(id="", properties=to_wire(_outputs(live, inputs, manager)))
        answer = self._reached(context, lambda: self._written(request.urn, where, inputs, manager, patch=patch))
        if not answer.ok:
            _fail(context, _creation_failed(request.urn, where, answer, patch=patch))
        waiting = self._waiting(request, where, inputs, updating=False)
        live, problems = readiness.wait(waiting, answer.body) if not patch else (answer.body, [])
        outputs = to_wire(_outputs(live, inputs, manager))
        if problems:
            reason = "but the Kubernetes API server reported that it failed to fully initialize or become live"
            first = f'resource "{request.urn}" was successfully created, {reason}: {problems[0]}'
            _fail_partly(context, where.id, outputs, to_wire(inputs), [first, *problems[1:]])
        return provider_pb2.CreateResponse(id=where.id, properties=outputs)

    def Update(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Apply and wait; in a preview, dry (rule 2)."""
        olds, news = from_wire(request.olds), from_wire(request.news)
        manager = str(opened(olds.get("__fieldManager")) or f"pulumi-kubernetes-{secrets.token_hex(4)}")
        where, patch = self._objects.reference(news), _is_patch(request.urn)
        if request.preview:
            live = self._previewed_update(context, where, news, manager, patch=patch)
            return provider_pb2.UpdateResponse(properties=to_wire(_outputs(live, news, manager)))
        answer = self._reached(context, lambda: self._applied(where, news, manager, patch=patch), known=True)
        if not answer.ok:
            _fail(context, f'update of resource "{request.urn}" failed: {answer.message}')
        waiting = self._waiting(request, where, news, updating=True)
        live, problems = readiness.wait(waiting, answer.body) if not patch else (answer.body, [])
        outputs = to_wire(_outputs(live, news, manager))
        if problems:
            failed = "failed to fully initialize or become live"
            first = f'the Kubernetes API server reported that "{where.id}" {failed}: {problems[0]}'
            _fail_partly(context, where.id, outputs, to_wire(news), [first, *problems[1:]])
        return provider_pb2.UpdateResponse(properties=outputs)

    def Read(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Return the live object, and inputs in which drift of managed fields shows."""
        outputs = from_wire(request.properties)
        inputs = from_wire(request.inputs) or outputs.get("__inputs") or {}
        imported = not inputs
        inputs = inputs or _named_by(request.urn, request.id)
        where = self._objects.reference(inputs)
        try:
            answer = self._objects.read(where)
        except ClusterUnreachable as error:
            if _is_true(os.environ.get("PULUMI_K8S_DELETE_UNREACHABLE")):
                return provider_pb2.ReadResponse(id="")
            _fail(context, f"failed to read resource state due to unreachable cluster: {error}.{_FORGET}")
        if answer.status == 404:  # noqa: PLR2004 - HTTP
            return provider_pb2.ReadResponse(id="")
        if not answer.ok:
            _fail(context, answer.message)
        manager = str(opened(outputs.get("__fieldManager", ""))) or f"pulumi-kubernetes-{secrets.token_hex(4)}"
        if imported:
            applied = answer.body["metadata"].get("annotations", {}).get(_LAST_APPLIED)
            inputs = folded(json.loads(applied)) if applied else inputs
        drifted = folded(with_secrets(_restricted(answer.body, opened(inputs)), inputs))
        shown = _outputs(answer.body, inputs, manager)
        return provider_pb2.ReadResponse(id=where.id, properties=to_wire(shown), inputs=to_wire(drifted))

    def Delete(self, request: Message, context: grpc.ServicerContext) -> Message:
        """Delete and wait until it is gone."""
        outputs = from_wire(request.properties)
        inputs = outputs.get("__inputs") or outputs
        where = self._objects.reference(opened(inputs))
        if _is_patch(request.urn):
            _fail(
                context,
                "this Patch resource is currently managing a required field, so it can't be deleted directly. Either "
                "set the retainOnDelete resource option, or transfer ownership of the field before deleting",
            )
        annotations = opened((inputs.get("metadata") or {}).get("annotations")) or {}
        seconds = float(annotations.get(readiness.TIMEOUT) or request.timeout or 600)
        skips = _is_true(annotations.get(readiness.SKIP))
        problem = self._reached(
            context,
            lambda: self._objects.delete(where, seconds=seconds, stopped=self._stop.is_set, wait=not skips),
            known=True,
        )
        if problem:
            _fail(context, problem)
        return Empty()

    def Cancel(self, request: Message, context: grpc.ServicerContext) -> Message:
        """End all waits."""
        self.stop()
        return Empty()

    def _previewed_create(
        self, context: grpc.ServicerContext, urn: str, where: Reference, inputs: Tree, *, patch: bool
    ) -> Tree:
        if patch or holds_unknown(inputs):
            return opened_object(inputs)
        try:
            answer = self._objects.create(where, opened(inputs), dry_run=True)
        except ClusterUnreachable:
            return opened_object(inputs)
        if answer.ok:
            return answer.body
        if answer.status in {403, 409}:
            self._say(urn, "info", f"Retry #0; creation failed: {answer.message}")
        elif answer.status == 422:  # noqa: PLR2004 - HTTP
            _fail(context, f"Preview failed: {answer.message}")
        return opened_object(inputs)

    def _previewed_update(
        self, context: grpc.ServicerContext, where: Reference, news: Tree, manager: str, *, patch: bool
    ) -> Tree:
        if patch or holds_unknown(news):
            return opened_object(news)
        try:
            live = self._objects.read(where)
            created = any(_is_ours(entry) for entry in live.body.get("metadata", {}).get("managedFields", []))
            answer = self._objects.apply(where, opened(news), manager, force=created or _forces(news), dry_run=True)
        except ClusterUnreachable:
            return opened_object(news)
        if answer.status in {409, 422}:
            _fail(context, f"Preview failed: {answer.message}")
        return answer.body if answer.ok else opened_object(news)

    def _written(self, urn: str, where: Reference, inputs: Tree, manager: str, *, patch: bool) -> Answer:
        """Create, again and again while the namespace is not there."""
        if patch:
            return self._objects.apply(where, opened(inputs), manager, force=_forces(inputs))
        answer = Answer(0, {})
        for attempt, pause in enumerate(_PAUSES):
            self._stop.wait(pause)
            if self._upserts:
                # 6.1 of what was seen: an apply without force, which somebody else's values stop.
                answer = self._objects.apply(where, opened(inputs), manager, force=_forces(inputs))
            else:
                answer = self._objects.create(where, opened(inputs))
            if answer.ok or self._stop.is_set():
                break
            self._say(urn, "info", f"Retry #{attempt}; creation failed: {answer.message}")
            if answer.status != 404:  # noqa: PLR2004 - HTTP
                break
        return answer

    def _applied(self, where: Reference, news: Tree, manager: str, *, patch: bool) -> Answer:
        live = self._objects.read(where)
        if not live.ok:
            return live
        if not patch:
            self._objects.take_over(live.body, manager)
        return self._objects.apply(where, opened(news), manager, force=_forces(news))

    def _waiting(self, request: Message, where: Reference, inputs: Tree, *, updating: bool) -> readiness.Waiting:
        annotations = opened((inputs.get("metadata") or {}).get("annotations")) or {}
        return readiness.Waiting(
            self._objects,
            where,
            annotations,
            request.timeout,
            updating,
            lambda severity, text: self._say(request.urn, severity, text),
            self._stop.is_set,
        )

    def _reached(self, context: grpc.ServicerContext, action: Callable[[], Any], *, known: bool = False) -> Any:  # noqa: ANN401 - the action's
        try:
            return action()
        except ClusterUnreachable as error:
            _fail(context, _UNREACHABLE.format(error) + (f".{_FORGET}" if known else ""))

    def _say(self, urn: str, severity: str, text: str) -> None:
        if self._engine is None:
            self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(self._engine_address))
        levels = {"info": engine_pb2.INFO, "warning": engine_pb2.WARNING}
        self._engine.Log(engine_pb2.LogRequest(severity=levels[severity], message=text, urn=urn))


def opened_object(inputs: Tree) -> Tree:
    """Return inputs as the outputs of a preview that could not ask the server; unknowns stay unknown."""
    return dict(opened(inputs))


def _outputs(live: Tree, inputs: Tree, manager: str) -> Tree:
    """Return the outputs that state keeps: the live object, and what later calls need (1.1 of what was seen)."""
    return {
        **with_secrets(live, inputs),
        "__inputs": inputs,
        "__initialApiVersion": inputs["apiVersion"],
        "__fieldManager": manager,
    }


def _inputs_of(request: Message) -> Tree:
    old = from_wire(request.old_inputs)
    return old or from_wire(request.olds).get("__inputs") or {}


def _restricted(live: Any, inputs: Any) -> Any:  # noqa: ANN401 - any two values
    """Return of a live object what the inputs speak of."""
    if isinstance(live, dict) and isinstance(inputs, dict):
        return {key: _restricted(live[key], its) for key, its in inputs.items() if key in live}
    if isinstance(live, list) and isinstance(inputs, list) and len(live) == len(inputs):
        return [_restricted(one, other) for one, other in zip(live, inputs, strict=True)]
    return live


def _named_by(urn: str, id_: str) -> Tree:
    """Return what an import knows: the kind by the resource's type, the name by its id (6.2 of what was seen)."""
    token = urn.split("::")[2].rpartition("$")[2]
    _, module, kind = token.split(":")
    namespace, _, name = id_.rpartition("/")
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": module.removeprefix("core/"), "kind": kind, "metadata": metadata}


def _detail(each: replace_rules.Difference, *, replaces: bool) -> Message:
    kind = each.kind.upper() + ("_REPLACE" if replaces else "")
    return provider_pb2.PropertyDiff(kind=provider_pb2.PropertyDiff.Kind.Value(kind), inputDiff=False)


def _name_of(urn: str) -> str:
    return urn.rpartition("::")[2]


def _is_patch(urn: str) -> bool:
    return urn.split("::")[2].rpartition("$")[2].endswith("Patch")


def _is_ours(entry: Tree) -> bool:
    return entry.get("manager") == "pulumi-kubernetes" and entry.get("operation") == "Update"


def _forces(inputs: Tree) -> bool:
    return _is_true(opened((inputs.get("metadata") or {}).get("annotations") or {}).get(_FORCE))


def _is_true(value: object) -> bool:
    return str(value).lower() == "true"


def _creation_failed(urn: str, where: Reference, answer: Answer, *, patch: bool) -> str:
    if answer.status == 409 and not patch:  # noqa: PLR2004 - HTTP
        return f'resource "{urn}" was not successfully created by the Kubernetes API server: {answer.message}'
    return f'resource "{urn}" ({where.kind} {where.id}) was not created: {answer.message}'


def _fail(context: grpc.ServicerContext, message: str) -> NoReturn:
    context.abort(grpc.StatusCode.UNKNOWN, message)
    raise AssertionError("abort raises")


def _fail_partly(
    context: grpc.ServicerContext, id_: str, outputs: Message, inputs: Message, reasons: list[str]
) -> NoReturn:
    """Report an object that exists and is not ready: it goes into state with the reasons (3.2 of what was seen)."""
    detail = AnyMessage()
    detail.Pack(provider_pb2.ErrorResourceInitFailed(id=id_, properties=outputs, reasons=reasons, inputs=inputs))
    status = status_pb2.Status(code=2, message=reasons[0], details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, reasons[0])
    raise AssertionError("abort raises")
