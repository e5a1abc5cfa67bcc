"""Make every Headscale that the stack declares."""

import pulumi

from headscale_component import Headscale, SpecError, load_instances

try:
    instances = load_instances(pulumi.Config("headscale").get_object("instances"))
except SpecError as error:
    file = f"stacks/Pulumi.{pulumi.get_stack()}.yaml"
    raise pulumi.RunError(f"{file} has {len(error.problems)} problem(s):\n{error}") from None

for name, args in instances.items():
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
