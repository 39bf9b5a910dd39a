"""Networks that are not the public internet, or carry another address inside: IANA's registries, held here.

Python's `ipaddress` knows them too, but each release another set of them (192.88.99.0/24 and 3fff::/20 are public to
some), and a check that guards a network must not change with the interpreter.

Sources, as of 2026-12-01:
https://www.iana.org/assignments/iana-ipv4-special-registry, https://www.iana.org/assignments/iana-ipv6-special-registry,
https://www.iana.org/assignments/multicast-addresses, https://www.iana.org/assignments/ipv6-address-space
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

#: Never a public host, whatever the registry says of smaller networks within (192.0.0.9/32 is an anycast address that
#: the nearest router answers, which is the reader's own network).
IPV4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this network (RFC 791)
            "10.0.0.0/8",  # private use (RFC 1918)
            "100.64.0.0/10",  # shared address space of providers (RFC 6598)
            "127.0.0.0/8",  # loopback (RFC 1122)
            "169.254.0.0/16",  # link local, and the metadata of clouds (RFC 3927)
            "172.16.0.0/12",  # private use (RFC 1918)
            "192.0.0.0/24",  # IETF protocol assignments, NAT64 discovery, PCP and TURN anycast (RFC 6890)
            "192.0.2.0/24",  # documentation, TEST-NET-1 (RFC 5737)
            "192.31.196.0/24",  # AS112-v4, answered by the nearest (RFC 7535)
            "192.52.193.0/24",  # AMT, automatic multicast tunnelling (RFC 7450)
            "192.88.99.0/24",  # 6to4 relays, given up (RFC 7526)
            "192.168.0.0/16",  # private use (RFC 1918)
            "192.175.48.0/24",  # direct delegation AS112, answered by the nearest (RFC 7534)
            "198.18.0.0/15",  # benchmarks (RFC 2544)
            "198.51.100.0/24",  # documentation, TEST-NET-2 (RFC 5737)
            "203.0.113.0/24",  # documentation, TEST-NET-3 (RFC 5737)
            "224.0.0.0/4",  # multicast (RFC 5771)
            "240.0.0.0/4",  # reserved, and 255.255.255.255 for broadcast (RFC 1112, 8190)
        ),
    )
)

#: What IANA has given to hosts of the internet at all: everything else of IPv6 is reserved, local or multicast.
IPV6_UNICAST = IPv6Network("2000::/3")

#: Within that, and named outside it for whoever reads the registry beside this table.
IPV6 = tuple(
    map(
        IPv6Network,
        (
            "::/128",  # unspecified (RFC 4291)
            "::1/128",  # loopback (RFC 4291)
            "::/96",  # IPv4-compatible, given up (RFC 4291)
            "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
            "100::/64",  # discard only (RFC 6666)
            "100:0:0:1::/64",  # dummy prefix (RFC 9780)
            "2001::/23",  # IETF protocol assignments: Teredo, PCP and TURN anycast, AMT, AS112, ORCHID, DRIP (RFC 2928)
            "2001:db8::/32",  # documentation (RFC 3849)
            "2620:4f:8000::/48",  # direct delegation AS112 (RFC 7534)
            "3fff::/20",  # documentation (RFC 9637)
            "5f00::/16",  # segment routing (RFC 9602)
            "fc00::/7",  # unique local (RFC 4193)
            "fe80::/10",  # link local (RFC 4291)
            "fec0::/10",  # site local, given up (RFC 3879)
            "ff00::/8",  # multicast (RFC 4291)
        ),
    )
)

#: {IPv6 network: [bits] that the IPv4 address inside is to be shifted right by}. A gateway forwards to that address.
_CARRIERS = {
    IPv6Network("::ffff:0:0/96"): 0,  # IPv4-mapped (RFC 4291)
    IPv6Network("::ffff:0:0:0/96"): 0,  # IPv4-translated (RFC 2765)
    IPv6Network("::/96"): 0,  # IPv4-compatible (RFC 4291)
    IPv6Network("64:ff9b::/96"): 0,  # NAT64 (RFC 6052)
    IPv6Network("64:ff9b:1::/48"): 0,  # NAT64 of one's own network (RFC 8215)
    IPv6Network("2002::/16"): 80,  # 6to4 (RFC 3056)
}
#: Of the carriers those whose own network is no obstacle where the address inside is public.
_TRANSPARENT = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"), IPv6Network("2002::/16"))


def is_special(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is none of a host of the public internet, by itself or by the one that it carries inside."""
    if isinstance(address, IPv4Address):
        return any(address in network for network in IPV4)
    inner = [
        IPv4Address(int(address) >> shift & 0xFFFFFFFF) for network, shift in _CARRIERS.items() if address in network
    ]
    if any(map(is_special, inner)):
        return True
    if any(address in network for network in _TRANSPARENT):
        return False
    return address not in IPV6_UNICAST or any(address in network for network in IPV6)
