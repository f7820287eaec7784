"""How much one person, one group's member or one address may use: docs/quotas.md."""
