"""The base of every error that this package raises, and the tree of them.

    HeadscaleError                 catches everything of this package
    ├── ApiError                   a call to Headscale failed          (`client.errors`)
    │   ├── Unreachable            nothing answers at the address, or the connection broke; retryable
    │   ├── DeadlineExceeded       no answer in time; retryable
    │   ├── Unauthenticated        the API key is wrong, expired or missing
    │   ├── PermissionDenied       the key may not do this
    │   ├── NotFound               no such user, key, node or policy
    │   ├── AlreadyExists          the name is taken
    │   ├── InvalidArgument        Headscale refuses a value
    │   ├── FailedPrecondition     the state forbids it: a user with nodes, a policy that comes from a file
    │   ├── Unsupported            this version of Headscale cannot do it
    │   └── ServerFault            anything else that Headscale reports
    ├── InvalidConnection          the URL or the certificate authority to trust is malformed (`client.errors`)
    ├── UserError                  a user conflicts with what is declared           (`users.identity`)
    ├── PolicyError                a policy conflicts with what is declared         (`policy.lifecycle`)
    ├── RolloutError               a rollout did not end, or would lose data        (`rollout.rollout`)
    ├── SecretNotOwned             a Secret of that name is not managed by us       (`keys.secrets`)
    └── SecretModified             a Secret does not hold the key as it was written (`keys.api_key`)

No message holds a key. Errors of gRPC, httpx and ssl never leave the package: the client maps them where they arise.
"""

from __future__ import annotations


class HeadscaleError(Exception):
    """The base of all errors of this package; the message is written for the person who runs the program."""
