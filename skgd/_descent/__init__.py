"""Gradient descent on a function of one's own, by the loop that trains the models."""
