"""The voice page's wire: `/ws`, protocol `gemlive.v1`, and the classic messages of the seed's frontend."""

SUBPROTOCOL = "gemlive.v1"
"""Offered by clients that want audio as binary frames; without it audio comes as base64 JSON."""
