"""What each resource means: what to create, compare, read, renew and delete.

Here live plain functions over a Headscale client, a store of Secrets and a time. Here never lives pulumi: a native
provider for other languages can follow the same rules.
"""
