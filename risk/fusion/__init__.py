"""Where conversation and history meet once a shop has outcomes of its own: learnt, not a documented prior."""
