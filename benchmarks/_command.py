"""Running suites: one thread, warnings of short fits quiet, a command line for one.

``python -m benchmarks`` (``__main__.py``) runs all of them; ``python -m
benchmarks.epochs`` and the like one, and print what it found.
"""

import argparse
import inspect
import warnings

from threadpoolctl import threadpool_limits

# Fewer rounds than this are not for reading the figures off.
QUICK_REPEATS = 1


def add_options(parser):
    """The options that all command lines have."""
    parser.add_argument("--repeats", type=int, help="rounds, 5 by default")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="small sizes and one round, to see that everything works",
    )


def tables_of(run, options, tables=None):
    """What a suite finds.

    Parameters
    ----------
    run : callable(repeats, quick) or callable(repeats, quick, tables)
        The function of that name of the suite.
    options : argparse.Namespace
        With `repeats` and `quick`.
    tables : str, default=None
        Path of a module with further tables, for suites that take one.

    Returns
    -------
    list of Table
    """
    repeats = options.repeats or (QUICK_REPEATS if options.quick else 5)
    further = {"tables": tables} if takes_tables(run) else {}
    with threadpool_limits(1), warnings.catch_warnings():
        # Most fits here are too short to converge, by intention.
        warnings.simplefilter("ignore")
        return run(repeats, options.quick, **further)


def takes_tables(run):
    """Whether a suite works on tables that can be added to."""
    return "tables" in inspect.signature(run).parameters


def alone(run, about, **others):
    """Command line of one suite.

    Parameters
    ----------
    run : callable
    about : str
        Docstring of the suite; its first line is the help.
    **others : callable
        What is run instead under an option of that name; its docstring is the help.
    """
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    add_options(parser)
    if takes_tables(run):
        parser.add_argument("tables", nargs="?", help="module with further tables")
    for name, other in others.items():
        about = other.__doc__.splitlines()[0]
        parser.add_argument(f"--{name}", action="store_true", help=about)
    options = parser.parse_args()
    for name, other in others.items():
        run = other if getattr(options, name) else run
    for table in tables_of(run, options, getattr(options, "tables", None)):
        print(table.markdown())
