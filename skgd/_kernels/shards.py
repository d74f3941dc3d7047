"""How sums over many rows are cut, for every part that cuts them."""

# Sums of gradients are rounded in shards of this many rows, so that threads, and blocks
# that hold whole shards, give the same sums as one thread on one large table.
SHARD = 1024
