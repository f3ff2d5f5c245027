"""ferrotp under frameworks that people run already; see docs/adapters.md."""
