-- now, max_devices, series, record -> 1 or 0
local now, max_devices = number(ARGV[2]), number(ARGV[3])
local is_active = false
for _, one in pairs(factors()) do is_active = is_active or one.state == 'active' end
if not is_active then return 0 end
local mine = {}
for _, series in ipairs(redis.call('HKEYS', KEYS[4])) do
  local one = device(series)
  mine[#mine + 1] = {id = series, at = number(one.used), expires = number(one.expires)}
end
local gone = surplus(mine, now, max_devices - 1)

redis.call('HSET', KEYS[4], ARGV[4], ARGV[5])
for _, series in ipairs(gone) do
  if series ~= ARGV[4] then redis.call('HDEL', KEYS[4], series) end
end
return 1
