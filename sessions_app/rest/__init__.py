"""REST for sessions and what was said and called in them, in the seed's shapes. No trailing slashes."""
