-- login id -> 1 or 0
must_be_writable()
return redis.call('HEXISTS', KEYS[2], 'ended:' .. ARGV[2])
