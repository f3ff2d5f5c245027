"""The tests of `ferrotp.django`. Not named after Django: this package would be imported instead of it."""
