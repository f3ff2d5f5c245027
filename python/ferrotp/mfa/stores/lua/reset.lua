-- -> how many factors there were
local count = redis.call('HLEN', KEYS[1])

redis.call('DEL', KEYS[1], KEYS[2], KEYS[4])
redis.call('ZREMRANGEBYLEX', KEYS[5], '[' .. ARGV[1] .. '\0', '(' .. ARGV[1] .. '\1')
drop_codes()
return count
