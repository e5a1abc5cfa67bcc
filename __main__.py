"""Create every Headscale that the stack declares."""

import asyncio
import gc

import pulumi

from headscale_component import Headscale, declare_instances, stack_instances

# Everything created here lives until the end of the program, half of whose time garbage collection would take.
gc.disable()
instances = {name: Headscale(name, args) for name, args in stack_instances().items()}
declare_instances(instances)
for name, headscale in instances.items():
    pulumi.export(
        name,
        {
            "namespace": headscale.namespace,
            "serverUrl": headscale.server_url,
            "service": headscale.service_name,
            "metricsService": headscale.metrics_service_name,
            "apiKeySecret": headscale.api_key_secret_name,
            "users": headscale.users,
            "preAuthKeySecrets": headscale.pre_auth_keys,
        },
    )


async def begin_registrations() -> None:
    """Let what was declared begin to register itself."""
    await asyncio.sleep(0)


# The SDK waits for the registrations that it sees at the end of the program. Where none has begun yet, it looks through
# all Outputs again and again instead: most of its processor time with 1,000 users. Older SDKs have no `run`.
if hasattr(pulumi, "run"):
    pulumi.run(begin_registrations)
