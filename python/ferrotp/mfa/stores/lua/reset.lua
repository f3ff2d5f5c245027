-- -> how many factors there were
local count, passkeys = redis.call('HLEN', KEYS[1]), passkeys_in(KEYS[1])

for i, id in ipairs(passkeys) do passkeys[i] = of_tenant(ARGV[1], id) end
if #passkeys > 0 then redis.call('HDEL', KEYS[7], unpack(passkeys)) end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[4])
redis.call('ZREMRANGEBYLEX', KEYS[5], '[' .. ARGV[1] .. '\0', '(' .. ARGV[1] .. '\1')
drop_codes()
return count
