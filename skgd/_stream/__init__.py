"""Training on a stream of batches: reading, cutting, measuring, epochs."""
