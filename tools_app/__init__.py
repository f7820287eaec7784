"""Tools that a model may call: plain callables of Django apps, registered, validated, run and recorded."""
