"""Make every Headscale that the stack declares."""

import gc

import pulumi

from headscale_component import Headscale, declare_instances, stack_instances

# Everything that is made here lives until the end: to look for garbage again and again would take half of the time.
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
