"""The Kubernetes API as the providers use it: one client, its errors, Secrets, the user registry, rollouts."""
