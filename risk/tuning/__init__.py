"""A shop's own layer on a frozen conversation model: learnt privately, or by several shops together."""
