"""A module that can't be imported."""

import no_such_library  # noqa: F401
