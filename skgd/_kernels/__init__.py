"""Compiled inner loops: pure functions on arrays that know no Python class.

Imported only when a fit starts, because importing Numba takes a fifth of a second.
"""
