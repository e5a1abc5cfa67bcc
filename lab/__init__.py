"""A real stack on one Linux machine: pinned tools, a cluster from parts, images, and the language host for Python."""
