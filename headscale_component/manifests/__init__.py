"""Kubernetes objects of an instance, as pure functions from the specification to Kubernetes arguments.

Here lives one module for each kind of object. Here never live resources, options or order: `component` owns those.
"""
