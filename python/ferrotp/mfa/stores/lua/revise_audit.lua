-- KEYS[1] the rows, KEYS[2] the head. The head that was read, its replacement, the number up to which rows go, then
-- number and record of each row that changes -> 1, or 0 if the head is another one
if (redis.call('GET', KEYS[2]) or '') ~= ARGV[1] then return 0 end

redis.call('SET', KEYS[2], ARGV[2])
for i = 4, #ARGV, 2 do
  local was = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[i], ARGV[i])
  redis.call('ZADD', KEYS[1], ARGV[i], ARGV[i + 1])
  for _, record in ipairs(was) do
    if record ~= ARGV[i + 1] then redis.call('ZREM', KEYS[1], record) end
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
return 1
