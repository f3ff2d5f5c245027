-- an epoch for a user who should have one and has none -> the user's epoch, or ''
must_be_writable()
return known_epoch(ARGV[2])
