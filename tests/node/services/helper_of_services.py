"""A module that services share: it is imported in the ordinary way, once per worker."""


def greeting() -> str:
    return "hello from the helper"
