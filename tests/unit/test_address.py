"""Where a caller is, in HTTP's words and in ASGI's."""

import pytest

from sessions_app.access.address import client_address


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "address"),
    [
        (0, "192.0.2.1", "", "192.0.2.1"),
        (0, "192.0.2.1", "198.51.100.9", "192.0.2.1"),
        (1, "192.0.2.1", "198.51.100.9", "198.51.100.9"),
        (1, "192.0.2.1", "10.1.1.1, 198.51.100.9", "198.51.100.9"),
        (2, "192.0.2.1", "10.1.1.1, 198.51.100.9, 203.0.113.5", "198.51.100.9"),
        (2, "192.0.2.1", "198.51.100.9", "192.0.2.1"),
        (1, "192.0.2.1", "", "192.0.2.1"),
        (1, "192.0.2.1", "unknown", "192.0.2.1"),
        (1, "192.0.2.1", "198.51.100.9:4711", "198.51.100.9"),
        (1, "192.0.2.1", "[2001:DB8:0::1]:4711", "2001:db8::1"),
        (0, "::ffff:192.0.2.1", "", "192.0.2.1"),
        (1, "", "198.51.100.9", "198.51.100.9"),
        (0, "", "", ""),
    ],
)
def test_the_address_of_a_caller(proxies, peer, forwarded, address, settings):
    settings.TRUSTED_PROXIES = proxies
    meta = {"REMOTE_ADDR": peer} | ({"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {})
    headers = [(b"x-forwarded-for", part.strip().encode()) for part in forwarded.split(",")] if forwarded else []
    scope = {"type": "websocket", "client": [peer, 4711] if peer else None, "headers": headers}
    assert client_address(meta) == client_address(scope) == address
