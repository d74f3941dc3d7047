"""Training on rows that others hold: groups, their sums, engines that ask for them."""
