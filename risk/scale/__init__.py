"""Work in shards: here, in a pool of processes, or on a Ray cluster, with the same results."""
