"""Suites that run twice: on the fakes in `tests/unit`, on the real servers in `tests/integration` and `tests/e2e`.

A suite asks for its server by a fixture, which the module that imports the suite provides. Headscale's are:

    headscale       one that is served (0.28, 0.29), by gRPC and by REST
    any_headscale   one of every version, by gRPC

Each has `version`, `transport`, `client()`, `remote(key)`, `opens(key)`, `grpc_address`, `stop()`, `successor()` with a
database of its own, and what people and machines do: `add_oidc_user(name, email)`, `join(user, number)`.
"""
