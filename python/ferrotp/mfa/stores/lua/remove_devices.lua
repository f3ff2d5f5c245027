-- series, or none for all -> how many there were
if ARGV[2] then return redis.call('HDEL', KEYS[4], ARGV[2]) end
local count = redis.call('HLEN', KEYS[4])

redis.call('DEL', KEYS[4])
return count
