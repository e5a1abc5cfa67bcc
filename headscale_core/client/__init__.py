"""A typed client of one Headscale, over gRPC and REST, and its errors.

The only package that imports grpc and httpx.
"""
