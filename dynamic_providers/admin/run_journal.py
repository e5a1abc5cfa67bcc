"""What a provider process carries from one call of the engine to a later one."""

from __future__ import annotations

from dataclasses import dataclass, field

from headscale_core.policy.stored import StoredPolicy
from headscale_core.users.identity import UserRef


@dataclass(frozen=True, slots=True)
class RunJournal:
    """The record of what one process has observed and done; one for each channel, empty when the process starts.

    It rests on this: one `pulumi up` calls `diff`, `create` and `delete` of a resource in one process, in this order
    (pulumi-language-python runs one `pulumi.dynamic` process for each provider, and that keeps its instances:
    https://github.com/pulumi/pulumi/blob/master/sdk/python/lib/pulumi/dynamic/__main__.py). `create` knows nothing of
    the state, so `diff` writes here what it has to know.

    Nothing is lost where an entry is missing, as after `pulumi up --replace` and a taint, by which the engine does not
    call `diff`, or in a process that was started between the calls: `create` finds what is there and the same, and
    refuses what differs.

    Attributes:
        keys_in_state: Ids of preauth keys that `diff` was given: the engine deletes those itself. A key with another
            id, in the Secret of a resource, was left by a run that was interrupted.
        replaced_users: Users that `diff` decided to replace, by the name of the new one: `create` deletes the old one
            first, because names are unique in Headscale.
        created_this_run: What was created, or found and adopted, by this process, as `("user", id)`: after a taint the
            engine deletes it, as the one that it replaced.
        policy: Whether the stack declares a policy, which the policy's `diff` and `create` know, and whether it is
            stored: no preauth key is created before it is. Where the policy is left out of a run, as by `--target`,
            nothing is declared here and a key is created.
    """

    keys_in_state: set[str] = field(default_factory=set)
    replaced_users: dict[str, UserRef] = field(default_factory=dict)
    created_this_run: set[tuple[str, str]] = field(default_factory=set)
    policy: StoredPolicy = field(default_factory=StoredPolicy)
