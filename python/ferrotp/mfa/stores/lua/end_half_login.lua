-- login id, when it expires, now -> 1
local now, expires = number(ARGV[4]), number(ARGV[3])
local gone, flat = {}, redis.call('HGETALL', KEYS[2])
for i = 1, #flat, 2 do
  if flat[i]:sub(1, 6) == 'ended:' and number(flat[i + 1]) <= now then gone[#gone + 1] = flat[i] end
end

for _, field in ipairs(gone) do redis.call('HDEL', KEYS[2], field) end
redis.call('HSET', KEYS[2], 'ended:' .. ARGV[2], text(expires))
return 1
