"""scikit-learn's HTML view of the estimators links every parameter to its page.

That the pages exist is for the build of the site to show.
"""

import re
from pathlib import Path

import pytest

from skgd import MLPGD, GDClassifier, GDRegressor

PAGES = Path(__file__).parents[2] / "docs" / "api" / "estimators.rst"


@pytest.mark.parametrize("estimator", [GDClassifier(), GDRegressor(), MLPGD()])
def test_every_parameter_has_a_link(estimator):
    page = estimator._repr_html_()
    links = re.findall(r'<a class="param-doc-link"[^>]*href="([^"]+)"', page)
    assert len(links) == len(estimator.get_params(deep=False))
    name = f"skgd.{type(estimator).__name__}"
    assert all(f"/api/generated/{name}.html#:~:text=" in link for link in links)
    # The site puts the page where the links point.
    assert f"   {name}\n" in PAGES.read_text("utf-8")


def test_changed_parameters_stand_out():
    page = GDRegressor(lr=0.1)._repr_html_()
    assert len(re.findall(r'<tr class="user-set">', page)) == 1
