-- KEYS[1] answered challenges. tenant NUL challenge -> 1 or 0
return redis.call('ZREM', KEYS[1], ARGV[1])
