-- method, cost, selector, the sealed hash that was read -> how many are left, or nil
if redis.call('HGET', KEYS[3], ARGV[4]) ~= ARGV[5] then return false end
local back = refunded(budget(ARGV[2]), number(ARGV[3]))
local left = redis.call('HLEN', KEYS[3]) - 1

keep(ARGV[2], back)
redis.call('HDEL', KEYS[3], ARGV[4])
redis.call('ZREM', KEYS[6], ARGV[1] .. '\0' .. ARGV[4])
return left
