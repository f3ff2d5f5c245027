-- now, max_devices, series, record -> 1 or 0
local now, max_devices = number(ARGV[2]), number(ARGV[3])
local is_active = false
for _, one in pairs(factors()) do is_active = is_active or one.state == 'active' end
if not is_active then return 0 end
local live, gone = {}, {}
for _, series in ipairs(redis.call('HKEYS', KEYS[4])) do
  local one = device(series)
  if number(one.expires) > now then
    live[#live + 1] = {series = series, used = number(one.used)}
  else
    gone[#gone + 1] = series
  end
end
table.sort(live, function(a, b)
  if a.used ~= b.used then return a.used < b.used end
  return precedes(a.series, b.series)
end)
for i = 1, math.min(#live - max_devices + 1, #live) do gone[#gone + 1] = live[i].series end

for _, series in ipairs(gone) do redis.call('HDEL', KEYS[4], series) end
redis.call('HSET', KEYS[4], ARGV[4], ARGV[5])
return 1
