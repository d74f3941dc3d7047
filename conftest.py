"""What is collected: examples of optional modules only where these can be imported."""

from importlib.util import find_spec

OPTIONAL = {"skgd/dask": "distributed", "skgd/ray": "ray"}

collect_ignore = [path for path, needed in OPTIONAL.items() if not find_spec(needed)]
