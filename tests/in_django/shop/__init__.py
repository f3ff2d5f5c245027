"""The application of a shop: its own users."""
