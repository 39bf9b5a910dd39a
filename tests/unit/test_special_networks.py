"""Networks that are no public hosts: each row of IANA's registries, and what carries an address inside another."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest

from jobs.kinds._net import addresses, special

#: From the registries themselves (2026-12-01), not from the table under test: all blocks, also the smaller within.
REGISTRY = """
    0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.0.0/29
    192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/32 192.0.0.171/32 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24
    192.88.99.0/24 192.88.99.2/32 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24
    224.0.0.0/4 240.0.0.0/4 255.255.255.255/32
    ::1/128 ::/128 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:1::1/128 2001:1::2/128 2001:1::3/128
    2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28 2001:db8::/32 2620:4f:8000::/48
    3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
""".split()  # noqa: SIM905
PUBLIC = """
    1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 93.184.216.34 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
    169.253.255.255 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0 192.88.98.255 192.88.100.0
    192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255
    2001:200::1 2001:4860:4860::8888 2606:4700::1111 2620:4f:8001::1 2a00:1450::1 2001:db7:ffff::1 3ffe::1 3fff:1000::1
""".split()  # noqa: SIM905
PRIVATE_V4 = ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.1.1", "100.64.0.1", "224.0.0.1", "192.0.0.8"]


@pytest.mark.parametrize("row", REGISTRY)
def test_no_address_of_a_special_network_is_public(row):
    network = ip_network(row)
    for address in (network[0], network[network.num_addresses // 2], network[-1]):
        assert not addresses.is_public(address), address


@pytest.mark.parametrize("row", [*special.IPV4, *special.IPV6], ids=str)
def test_each_row_of_the_table_is_needed_or_named_by_the_registry(row):
    assert not addresses.is_public(row[0]) and not addresses.is_public(row[-1])


@pytest.mark.parametrize("address", PUBLIC)
def test_their_neighbours_are(address):
    assert addresses.is_public(ip_address(address))


def carried(address: str) -> dict[str, IPv6Address]:
    inner = int(IPv4Address(address))
    at = {name: int(IPv6Network(name)[0]) for name in ("::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16")}
    return {
        "IPv4-mapped": IPv6Address(at["::ffff:0:0/96"] | inner),
        "NAT64": IPv6Address(at["64:ff9b::/96"] | inner),
        "local NAT64": IPv6Address(at["64:ff9b:1::/48"] | inner),
        "6to4": IPv6Address(at["2002::/16"] | inner << 80 | 1),
        "IPv4-compatible": IPv6Address(inner),
        "IPv4-translated": IPv6Address(0xFFFF << 48 - 16 << 16 | inner),
        "Teredo": IPv6Address(0x20010000 << 96 | int(IPv4Address("1.1.1.1")) << 64 | inner ^ 0xFFFFFFFF),
    }


@pytest.mark.parametrize("address", PRIVATE_V4)
def test_a_private_address_within_another_is_found(address):
    for name, outer in carried(address).items():
        assert not addresses.is_public(outer), f"{name} {outer}"


def test_a_public_one_is_reached_through_what_only_forwards():
    found = {name for name, outer in carried("1.1.1.1").items() if addresses.is_public(outer)}
    assert found == {"IPv4-mapped", "NAT64", "6to4"}


def test_no_interface_of_link_local_counts():
    assert not addresses.is_public(ip_address("fe80::1%eth0"))


def test_the_tables_hold_whole_networks():
    assert all(isinstance(row, IPv4Network) for row in special.IPV4) and len(set(special.IPV4)) == len(special.IPV4)
    assert all(isinstance(row, IPv6Network) for row in special.IPV6) and len(set(special.IPV6)) == len(special.IPV6)
