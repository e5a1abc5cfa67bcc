"""Stack files as Pulumi reads them: their instances, and the line of each value."""

from headscale_component.stack_file.file import StackFile, read
from headscale_component.stack_file.load import load, load_file, prepared
from headscale_component.stack_file.project import project_directory, stack_file, stack_files

__all__ = ["StackFile", "load", "load_file", "prepared", "project_directory", "read", "stack_file", "stack_files"]
