-- KEYS[9] the claim under way. for how many milliseconds it stands -> 1
redis.call('SET', KEYS[9], '1', 'PX', ARGV[2])
return 1
