"""The policy as Headscale stores it: compare, store, and what it says about one that it refuses."""
