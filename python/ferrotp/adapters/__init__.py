"""Put ferrotp under the stack that a site has already: see docs/adapters.md."""
