"""The loop: from the log to a training set, a challenger, and the gate that it must pass."""
