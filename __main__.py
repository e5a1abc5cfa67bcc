"""Make every Headscale that the stack declares."""

import pulumi

from headscale_component import Headscale, declare_instances, stack_instances

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
