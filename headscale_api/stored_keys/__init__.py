"""How keys are kept in Secrets: rules over a client, a store and a time.

Here lives what the sidecar and the providers do alike, so that neither ever loses or leaks a key. Here never live
pulumi or Kubernetes: a store is whatever reads and writes.
"""
