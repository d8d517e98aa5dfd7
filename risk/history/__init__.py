"""The history branch: what a customer's orders, returns and contacts say, as known at one moment."""
