"""Make every Headscale that the stack declares."""

import pulumi

from headscale_component import Headscale, stack_instances

for name, args in stack_instances().items():
    headscale = Headscale(name, args)
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
