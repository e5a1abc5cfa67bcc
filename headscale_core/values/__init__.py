"""Values that people write: durations, versions, HuJSON, and the validators of single fields."""
