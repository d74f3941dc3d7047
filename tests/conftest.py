"""What holds for every test."""

import pytest


def pytest_collection_modifyitems(items):
    """The limit of pyproject.toml tells a hang; slow tests may really take longer."""
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(0))
