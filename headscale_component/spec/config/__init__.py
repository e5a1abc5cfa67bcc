"""Headscale's configuration: a module for each section, `rules` between fields, `versions` for what each one reads."""

from headscale_component.spec.config.root import HeadscaleConfig
from headscale_component.spec.config.types import DATA_DIRECTORY, SOCKET_DIRECTORY

__all__ = ["DATA_DIRECTORY", "SOCKET_DIRECTORY", "HeadscaleConfig"]
