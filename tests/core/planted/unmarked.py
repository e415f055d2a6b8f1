"""A plug-in whose author forgot to mark the hook."""


def rushlight_backend():
    raise AssertionError("not a hook")
