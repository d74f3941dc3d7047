"""Names for classes: what users type, what stands for it, and what they may mean."""

import difflib


class Registry(dict):
    """A dict of name to class, filled by a decorator above each class.

    Everything that offers the classes, checks their names, documents or tests them,
    goes over such a dict: a class is added in one place, where it is written.

    Parameters
    ----------
    **aliases : str
        Other names of the field with one meaning, and the name here that each stands
        for. Reading an entry understands them, and they are not listed.
    """

    def __init__(self, **aliases):
        super().__init__()
        self.aliases = aliases

    def named(self, name):
        """Decorate a class: `name` stands for it from now on."""

        def decorate(cls):
            if name in self:
                raise ValueError(f"{name!r} stands for {self[name].__name__} already.")
            self[name] = cls
            return cls

        return decorate

    def public(self, *others):
        """Names of the classes and of `others`: the ``__all__`` of their module."""
        return sorted({cls.__name__ for cls in self.values()} | set(others))

    def canonical(self, name):
        """The name here that a string stands for; None if there is none.

        Capitals and hyphens do not matter: "Adam" and "ReLU" are how papers write them.
        """
        if not isinstance(name, str):
            return None
        if name in self:
            return name
        plain = name.lower().replace("-", "_").replace(" ", "_")
        plain = self.aliases.get(plain, plain)
        return plain if plain in self else None

    def __missing__(self, name):
        """The class that another spelling of a name stands for."""
        found = self.canonical(name)
        if found is None:
            raise KeyError(name)
        return self[found]


# Private classes whose objects are part of a fitted estimator, by their names in files,
# which stay when a class is moved or called otherwise.
SAVED = Registry()


def did_you_mean(given, names):
    """A sentence that names what is spelt most like `given`, or nothing.

    Parameters
    ----------
    given : str
    names : iterable of str

    Returns
    -------
    str
        Empty, or with a space in front.
    """
    plain = given.lower()
    names = list(names)
    near = difflib.get_close_matches(plain, names, n=1, cutoff=0.6)
    # "cos" is no close match of "cosine", but plainly meant.
    near = near or [name for name in names if len(plain) > 2 and name.startswith(plain)]
    return f" Did you mean {near[0]!r}?" if near else ""
