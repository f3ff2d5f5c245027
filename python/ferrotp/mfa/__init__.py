"""The second factor: enroll, confirm, verify, recover, rotate, on a real store."""
