"""Stand-ins for the two parts of Pulumi that no package registry serves.

They are used only where the official ones are not installed, say on start that they are stand-ins, and are in no
wheel. Each does what the official part does, as far as a user of this project sees it.
"""
