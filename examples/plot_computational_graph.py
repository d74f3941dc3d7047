"""
A network as a graph
====================

Forward, loss, backward, step: the four parts of every training loop, on a graph of
three weights, with a number on every edge.
"""

# %%
# Forward
# -------
#
# The network is ``z = (w2 - 2 w1) w3``, and its weights are 3, 4 and 5. Each node is
# computed from those on its left.

import matplotlib.pyplot as plt

from skgd.display import GraphDisplay

weights = {"w1": 3, "w2": 4, "w3": 5}
forward = GraphDisplay.from_expression("(w2 - 2 * w1) * w3", draw=False, **weights)
forward = forward.plot(derivatives=False)
print("prediction:", forward.value)

# %%
# Backward
# --------
#
# The same graph, read from right to left. On each edge stands how much z changes when
# the number at its start does: what came from the right, times the slope of the
# operation. That is the chain rule, and the three numbers at the left are dz/dw.

backward = forward.plot()
print("dz/dw:", backward.derivatives)

# %%
# Loss
# ----
#
# The target is 10, the prediction -10, and the absolute error 20. One more node, and
# the same walk back:

loss = GraphDisplay.from_expression("abs(10 - (w2 - 2 * w1) * w3)", **weights)
print("loss:", loss.value, "gradient:", loss.derivatives)

# %%
# Step
# ----
#
# Each weight moves by 0.01 times its derivative, against it. The error falls from 20 to
# 18.715. (In class the new weights are often written with one decimal, as 2.9, 4.1 and
# 4.9, which gives a prediction of -8.33. With the exact ones it is -8.715.)

after = loss.step(0.01)
print({name: round(weight, 4) for name, weight in after.variables.items()})
print("loss:", round(after.value, 4))

# %%
# And again, until the prediction is right. The steps of the absolute error are as long
# close to the target as far away, so it ends with a jump around it:

for step in range(2, 22):
    after = after.step(0.01)
    if step % 3 == 0 or step > 15:
        print(f"after {step} steps the loss is {after.value:.3f}")

plt.show()
