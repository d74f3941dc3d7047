"""Which numbers are taken as they are."""

import numpy as np

# Types of X that are trained on as they are.
FLOATS = (np.float64, np.float32)

# Kinds of numbers that scikit-learn turns into floats.
NUMBERS = "biuf"

# Numbers from which on BLAS may share a product of two vectors among threads, who then
# wait for more at the cost of a processor.
LONG = 1 << 13
