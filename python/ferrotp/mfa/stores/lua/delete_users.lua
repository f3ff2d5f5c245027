-- KEYS: four of each user, as in common.lua, then the two sorted sets. For each: tenant NUL user
--   -> how many factors each had
local counts = {}
for i = 1, #ARGV do counts[i] = redis.call('HLEN', KEYS[4 * i - 3]) end

for i, user in ipairs(ARGV) do
  redis.call('DEL', unpack(KEYS, 4 * i - 3, 4 * i))
  for j = #KEYS - 1, #KEYS do
    redis.call('ZREMRANGEBYLEX', KEYS[j], '[' .. user .. '\0', '(' .. user .. '\1')
  end
end
return counts
