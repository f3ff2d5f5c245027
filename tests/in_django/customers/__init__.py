"""The customers of `tenants_site`, each with a schema of its own."""
