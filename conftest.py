"""What is collected: examples of optional modules only where these can be imported."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("distributed") else ["skgd/dask"]
