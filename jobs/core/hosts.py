"""Names of hosts as the network knows them."""

import idna


def in_ascii(name: str) -> str:
    """A host's name, or an address's domain, in ASCII by IDNA 2008 and UTS 46 without its transition.

    Python's own codec stays with IDNA 2003, for which straße.example is strasse.example: another domain, of somebody
    else. Raises ValueError for what is no name.
    """
    if name.isascii():
        return name  # names of machines may hold what IDNA forbids, such as _
    return idna.encode(name, uts46=True).decode()
