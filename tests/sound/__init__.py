"""What must never happen, seen from Python: a hang, an abort, a secret left behind."""
