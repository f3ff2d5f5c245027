-- KEYS[1] whose passkeys are. tenant NUL id -> the claim, or ''
return redis.call('HGET', KEYS[1], ARGV[1]) or ''
