"""Stand-in for `pulumi-resource-kubernetes` against a real API server.

It does what the official provider was seen to do, as far as this project's users see it: what is created, updated,
replaced and awaited, and what is said. It is not the official provider: no Helm, no Kustomize, no import.
"""
