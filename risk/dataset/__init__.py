"""The training set: what the log held at one moment, as files that are made the same way again."""
