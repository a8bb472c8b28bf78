"""A module that Python refuses."""

return 1  # noqa: F706
