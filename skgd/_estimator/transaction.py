"""Methods that train end, or leave the estimator as it was.

Training works on copies of whatever it moves (the state, a network's random stream), so
that the attributes alone have to be put back.
"""

import functools

from skgd._estimator.late import LATE, LateAttributes, attributes_of


def all_or_nothing(method):
    """Decorate a method that trains: what it raises leaves the estimator as it was.

    Outside of scikit-learn's decorators, so that a wrong parameter and a callback that
    fails in the end count too. What the user passed may have moved: an instance of
    ``RandomState``, an iterator, a schedule that counts.
    """

    @functools.wraps(method)
    def trained(self, *args, **kwargs):
        late = not isinstance(self, LateAttributes) or LATE in attributes_of(self)
        # The former makes what is late.
        before = (vars(self) if late else attributes_of(self)).copy()
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            # One assignment, which another Ctrl-C cannot cut in two.
            self.__dict__ = before
            raise

    return trained
