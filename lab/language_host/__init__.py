"""The language host of the lab: what the engine starts as `pulumi-language-python`."""
