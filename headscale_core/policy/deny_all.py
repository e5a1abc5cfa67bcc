"""The policy that the sidecar stores where Headscale has none, by which nobody reaches anybody.

Without a policy Headscale allows everything (`pol == nil` in
https://github.com/juanfont/headscale/blob/v0.29.3/hscontrol/policy/v2/filter.go).
"""

from __future__ import annotations

from headscale_core import FailedPrecondition, HeadscaleClient, NotFound, ServerFault

DENY_ALL = (
    "// Denies everything. Stored by the sidecar because Headscale had no policy; any other policy replaces it.\n"
    '{"acls": []}\n'
)
"""The smallest policy that denies everything in 0.26 and newer. `{}` does so in 0.26 alone, from 0.27 on it allows
everything (`pol.ACLs == nil` in
https://github.com/juanfont/headscale/blob/v0.27.1/hscontrol/policy/v2/filter.go). The comment distinguishes it from
one that a person stored; `headscale policy get` shows it."""

_FILE_MODE = "reading policy from "
"""The error of Headscale for a missing policy file, with `policy.mode: file` (`GetPolicy` in
https://github.com/juanfont/headscale/blob/v0.29.3/hscontrol/grpcv1.go; from 0.30 on hscontrol/api/v1/policy.go)."""


def store_if_missing(client: HeadscaleClient) -> bool:
    """Store the policy that denies everything, where Headscale has none; return whether it was stored.

    Nothing is stored where Headscale reads its policy from a file. Headscale cannot store a policy on condition that
    there is none: one that another client stores within the milliseconds between both calls is replaced
    (https://github.com/juanfont/headscale/blob/v0.29.3/proto/headscale/v1/policy.proto).

    Raises:
        ApiError: When Headscale answers neither whether it has a policy, nor takes this one.
    """
    try:
        if client.get_policy():
            return False
    except NotFound:
        pass
    except ServerFault as error:
        if not error.detail.startswith(_FILE_MODE):
            raise
        return False
    try:
        client.set_policy(DENY_ALL)
    except FailedPrecondition:
        # An empty file.
        return False
    return True
