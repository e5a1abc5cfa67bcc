"""Headscale's configuration: a module for each section, `rules` between fields, `versions` for what each one reads."""

from headscale_component.spec.config.kinds import DATA_DIRECTORY, SOCKET_DIRECTORY
from headscale_component.spec.config.root import HeadscaleConfig

__all__ = ["DATA_DIRECTORY", "SOCKET_DIRECTORY", "HeadscaleConfig"]
