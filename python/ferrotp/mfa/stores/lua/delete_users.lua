-- KEYS: four of each user, as in common.lua, then the two sorted sets and the hash of all passkeys.
-- For each: tenant NUL user -> how many factors each had
local counts, passkeys = {}, {}
for i, user in ipairs(ARGV) do
  counts[i] = redis.call('HLEN', KEYS[4 * i - 3])
  for _, id in ipairs(passkeys_in(KEYS[4 * i - 3])) do passkeys[#passkeys + 1] = of_tenant(user, id) end
end

for _, passkey in ipairs(passkeys) do redis.call('HDEL', KEYS[#KEYS], passkey) end
for i, user in ipairs(ARGV) do
  redis.call('DEL', unpack(KEYS, 4 * i - 3, 4 * i))
  for j = #KEYS - 2, #KEYS - 1 do
    redis.call('ZREMRANGEBYLEX', KEYS[j], '[' .. user .. '\0', '(' .. user .. '\1')
  end
end
return counts
