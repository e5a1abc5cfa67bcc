"""Objects as an API server keeps them: versions, server-side apply, merge patches, lists and preconditions.

Sources: https://kubernetes.io/docs/reference/using-api/api-concepts/ and, for whose a field is,
https://kubernetes.io/docs/reference/using-api/server-side-apply/.
"""

import copy
import json
import re
import uuid

PATH = re.compile(
    r"/(?:api/v1|apis/[^/]+/[^/]+)(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?"
)
MOST_ANNOTATION_BYTES = 256 * 1024
LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
NOT_FIELDS = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"), ("metadata", "uid")}
APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"
REASONS = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed",
    409: "Conflict", 415: "UnsupportedMediaType", 422: "Invalid", 429: "TooManyRequests", 500: "InternalError",
}  # fmt: skip


class Refused(Exception):
    """A request that the API server answers with an error.

    Attributes:
        status: The HTTP status.
        message: What it says.
    """

    def __init__(self, status, message):
        self.status, self.message = status, message
        super().__init__(message)


def status(code, message):
    """Return the `Status` that tells of an error."""
    reason = REASONS.get(code, "Unknown")
    return {
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message,
    }  # fmt: skip


class Objects:
    """The objects of a cluster by their paths.

    Attributes:
        by_path: The objects; a test may put some there, as much of each as it needs.
    """

    def __init__(self):
        self.by_path, self._version = {}, 0
        self._fields = {}
        """Which fields each field manager owns, by the path of the object."""

    def put(self, path, document):
        """Store an object whole, with a version of its own."""
        self._version += 1
        document["metadata"] = {**document.get("metadata", {}), "resourceVersion": str(self._version)}
        self.by_path[path] = document
        return document

    def get(self, path, query):
        """Return an object, or the list that a path names."""
        if path in self.by_path:
            return self.by_path[path]
        found = PATH.fullmatch(path)
        if found is None or found["name"]:
            raise Refused(404, _not_found(path))
        return self._listed(path, found, query)

    def _listed(self, path, found, query):
        root = path.partition("/namespaces/")[0] if found["namespace"] else path.rpartition("/")[0]
        namespace = re.escape(found["namespace"]) if found["namespace"] else "[^/]+"
        inside = re.compile(rf"{re.escape(root)}(?:/namespaces/{namespace})?/{found['plural']}/[^/]+")
        names = sorted(value for value in self.by_path if inside.fullmatch(value))
        items = [self.by_path[name] for name in names if _matches(self.by_path[name], query.get("labelSelector", ""))]
        begin = int(query.get("continue") or 0)
        end = begin + int(query.get("limit") or len(items) + 1)
        metadata: dict[str, str | int] = {"resourceVersion": str(self._version)}
        if end < len(items):
            metadata |= {"continue": str(end), "remainingItemCount": len(items) - end}
        return {"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items[begin:end]}

    def create(self, path, document):
        """Create an object in the collection of a path."""
        metadata = document["metadata"]
        name = metadata.get("name") or f"{metadata['generateName']}{uuid.uuid4().hex[:5]}"
        place = f"{path}/{name}"
        if place in self.by_path:
            raise Refused(409, f'{PATH.fullmatch(place)["plural"]} "{name}" already exists')
        return self._stored(place, copy.deepcopy(document))

    def _stored(self, path, document):
        found = PATH.fullmatch(path)
        metadata = document.setdefault("metadata", {})
        metadata |= {"name": found["name"], "uid": metadata.get("uid") or str(uuid.uuid4())}
        if found["namespace"]:
            metadata["namespace"] = found["namespace"]
        _require_valid(path, document)
        before = self.by_path.get(path)
        if before is not None and _without_version(before) == _without_version(document):
            # A write that changes nothing makes no new version.
            return before
        return self.put(path, document)

    def apply(self, path, document, query):
        """Apply an object, by a field manager that then owns its fields; return it, and whether it is a new one."""
        if "fieldManager" not in query:
            raise Refused(
                400, "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value: is required for apply patch"
            )
        manager, before = query["fieldManager"], self.by_path.get(path)
        self._require_version(path, document)
        owners, new = self._fields.setdefault(path, {}), _leaves(document)
        if before is None:
            owners.clear()
        found = _leaves(before or {})
        taken = sorted(
            ".".join(leaf)
            for other, fields in owners.items()
            for leaf in fields & new.keys()
            if other != manager and found.get(leaf) != new[leaf]
        )
        if taken and query.get("force") != "true":
            raise Refused(409, f"Apply failed with {len(taken)} conflict: .{taken[0]}")
        others = {leaf for other, fields in owners.items() if other != manager for leaf in fields}
        given_up = owners.get(manager, set()) - new.keys() - others
        merged = {leaf: value for leaf, value in found.items() if leaf not in given_up} | new
        stored = self._stored(path, _tree(before or document, merged))
        for other in owners.values():
            other.difference_update(leaf for leaf in new if found.get(leaf) != new[leaf])
        owners[manager] = set(new)
        return stored, before is None

    def merge(self, path, changes, query):
        """Change an object by a JSON merge patch (RFC 7396)."""
        if path not in self.by_path:
            raise Refused(404, _not_found(path))
        self._require_version(path, changes)
        document = _merged(copy.deepcopy(self.by_path[path]), changes)
        document["metadata"]["resourceVersion"] = self.by_path[path]["metadata"].get("resourceVersion")
        stored = self._stored(path, document)
        manager = query.get("fieldManager", "unknown")
        self._fields.setdefault(path, {}).setdefault(manager, set()).update(
            _leaves(changes).keys() & _leaves(stored).keys()
        )
        return stored

    def delete(self, path, options):
        """Delete an object, unless it is another one than the preconditions name."""
        if path not in self.by_path:
            raise Refused(404, _not_found(path))
        metadata = self.by_path[path]["metadata"]
        for field, wanted in ((options or {}).get("preconditions") or {}).items():
            if metadata.get(field) != wanted:
                words = f"{field} in precondition: {wanted}, {field} in object meta: {metadata.get(field)}"
                raise Refused(409, f"Operation cannot be fulfilled: Precondition failed: {words}")
        del self.by_path[path]
        self._fields.pop(path, None)
        return {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    def _require_version(self, path, document):
        wanted = document.get("metadata", {}).get("resourceVersion")
        before = self.by_path.get(path, {}).get("metadata", {}).get("resourceVersion")
        if wanted is not None and wanted != before:
            raise Refused(
                409, f'Operation cannot be fulfilled on "{path.rpartition("/")[2]}": the object has been modified'
            )


def _not_found(path):
    found = PATH.fullmatch(path)
    return (
        f'{found["plural"]} "{found["name"]}" not found'
        if found
        else "the server could not find the requested resource"
    )


def _matches(document, selector):
    labels = document["metadata"].get("labels") or {}
    return all(
        labels.get(key) == value for key, _, value in (part.partition("=") for part in selector.split(",") if part)
    )


def _require_valid(path, document):
    metadata = document["metadata"]
    annotations = metadata.get("annotations") or {}
    name = f'{PATH.fullmatch(path)["plural"]} "{metadata["name"]}" is invalid'
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > MOST_ANNOTATION_BYTES:
        raise Refused(
            422, f"{name}: metadata.annotations: Too long: may not be more than {MOST_ANNOTATION_BYTES} bytes"
        )
    for value in (metadata.get("labels") or {}).values():
        if not LABEL_VALUE.fullmatch(value):
            raise Refused(422, f"{name}: metadata.labels: Invalid value: {json.dumps(value)}")


def _without_version(document):
    metadata = {key: value for key, value in document["metadata"].items() if key != "resourceVersion"}
    return {**document, "metadata": metadata}


def _leaves(document, above=()):
    """Return the fields of an object by their paths; a list is one field."""
    found = {}
    for key, value in document.items():
        path = (*above, key)
        if isinstance(value, dict):
            found |= _leaves(value, path)
        elif path not in NOT_FIELDS and path != ("metadata", "resourceVersion"):
            found[path] = value
    return found


def _tree(document, leaves):
    """Return an object of these fields, named as another one."""
    kept = {key: document[key] for key in ("apiVersion", "kind") if key in document}
    names = {key: value for key, value in document["metadata"].items() if key in {"name", "namespace", "uid"}}
    made = {**kept, "metadata": names}
    for (*above, last), value in leaves.items():
        place = made
        for key in above:
            place = place.setdefault(key, {})
        place[last] = value
    return made


def _merged(document, changes):
    for key, value in changes.items():
        if value is None:
            document.pop(key, None)
        elif isinstance(value, dict):
            document[key] = _merged(dict(document.get(key) or {}), value)
        else:
            document[key] = value
    return document
