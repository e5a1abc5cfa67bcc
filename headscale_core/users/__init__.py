"""The life of users: adopt, create, rename, replace and delete."""
