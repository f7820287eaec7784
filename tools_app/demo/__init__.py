"""A made-up company to ask about: the database of its shop, and its documents."""
