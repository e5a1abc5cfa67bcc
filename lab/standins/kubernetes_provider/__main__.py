"""Serve as the engine's Kubernetes provider; the last argument is the engine's address."""

import sys

from pulumi.runtime.proto import provider_pb2_grpc

from lab.standins.kubernetes_provider.server import KubernetesProvider
from lab.standins.serving import serve

provider = KubernetesProvider(sys.argv[-1] if len(sys.argv) > 1 else "")
serve(
    "pulumi-resource-kubernetes",
    lambda server: provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider, server),
    threads=48,
    on_stop=provider.stop,
)
