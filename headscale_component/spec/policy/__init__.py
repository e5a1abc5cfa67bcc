"""A policy: its sections, how a file is read, and what each version of Headscale refuses in it.

`rules` checks a whole policy: names by the table in `places`, single rules by the table in `versions`.
"""

from headscale_component.spec.policy.merge import policy_document, policy_text
from headscale_component.spec.policy.model import PolicySpec

__all__ = ["PolicySpec", "policy_document", "policy_text"]
