"""Pulumi dynamic providers for what lives inside a Headscale: users, preauth keys, API keys.

Here live the connection, one module for each resource, and the rules that they follow. Importing a module here does
nothing: Pulumi unpickles providers by their dotted paths, which therefore stand in people's state for ever
(https://www.pulumi.com/docs/iac/concepts/providers/dynamic-providers/, and
https://github.com/pulumi/pulumi/blob/master/sdk/python/lib/pulumi/dynamic/__main__.py).
"""
