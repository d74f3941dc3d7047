"""
Choosing the strength of a penalty
==================================

All strengths and folds are fitted in one descent: their models are the columns of one
matrix, and a pass over the rows takes a step of each.
"""

# %%
# Breast cancer has 30 columns, many of which say the same. An l1 penalty chooses among
# them; how hard it should choose, held-out rows say.

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from skgd import GDClassifierCV, path
from skgd.display import CoefficientPathDisplay, ValidationPathDisplay

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X = StandardScaler().set_output(transform="pandas").fit_transform(X)

model = GDClassifierCV(penalty="l1", alphas=40, refit="one_standard_error")
model.fit(X, y)
print(f"{model.n_passes_} passes for {model.scores_.size} models")
print(f"alpha {model.alpha_:.4f} keeps {(model.coef_ != 0).sum()} of 30 columns")

# %%
# Each faint line is a fold. The best mean is further to the left; the strongest penalty
# within one standard error of it is chosen.

display = ValidationPathDisplay.from_estimator(model)
display.figure_.set_size_inches(6.4, 3.8)

# %%
# The coefficients of a model of all rows, for the same strengths: the penalty lets one
# column after another in.

found = path(X, y, loss="log_loss", alphas=model.alphas_)
fig, ax = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
CoefficientPathDisplay.from_path(found, chosen=model.alpha_, ax=ax)

plt.show()
