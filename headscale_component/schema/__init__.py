"""The JSON Schema of stack files, and the reference page, both made of the models."""

from headscale_component.schema.reference import reference_page
from headscale_component.schema.stack import stack_schema

__all__ = ["reference_page", "stack_schema"]
