-- KEYS[1] answered challenges. tenant NUL challenge, when it expires, now -> 1, or 0 if it was answered before
local expires = redis.call('ZSCORE', KEYS[1], ARGV[1])
if expires and tonumber(expires) > number(ARGV[3]) then
  redis.call('ZREM', KEYS[1], '') -- where nothing may be written, nothing is answered
  return 0
end

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
return 1
