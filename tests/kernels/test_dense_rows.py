"""Plain steps on single dense rows against the loop over batches."""

import pytest
from pieces import check_steps_in_pieces


@pytest.mark.parametrize("penalty", [None, "elasticnet"])
@pytest.mark.parametrize("n_features", [5, 128, 129, 600])
def test_rows_in_pieces_take_the_steps_of_the_general_loop(n_features, penalty):
    check_steps_in_pieces(2, n_features, penalty)
