"""The whole life of API keys and preauth keys: create, store, renew, rotate, revoke, recover.

Both kinds are kept in Secrets by one protocol, `SecretStore`, and have the annotations of `annotations`.
"""
