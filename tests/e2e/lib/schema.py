"""The little that both vendors' judges share: kinds of JSON values, with bool never a number."""


def is_a(value, wanted):
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    if isinstance(value, bool):
        return bool in wanted
    return isinstance(value, wanted)


NAMES = {str: "a string", list: "an array", dict: "an object", bool: "a boolean", int: "an integer", float: "a decimal"}


def kind(value):
    return "null" if value is None else NAMES[type(value)].split(" ")[1]


def say(wanted):
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    return " or ".join(NAMES[one] for one in wanted)
