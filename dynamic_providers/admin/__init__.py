"""The admin channel: how a provider reaches the gRPC API of one Headscale, and what it caches and locks there."""
