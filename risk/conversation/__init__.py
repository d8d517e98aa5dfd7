"""The conversation branch: one causal step a message, heads after each."""
