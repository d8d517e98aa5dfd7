"""A made-up shop whose truth is known: customers, purchases, conversations in two languages, and who left."""
