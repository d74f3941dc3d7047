"""Names for classes: what users type, and what stands for it."""


class Registry(dict):
    """A dict of name to class, filled by a decorator above each class.

    Everything that offers the classes, checks their names, documents or tests them,
    goes over such a dict: a class is added in one place, where it is written.
    """

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
