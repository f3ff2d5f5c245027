-- now, max_factors, max_pending, id, record -> 1 or 0
local now, max_factors, max_pending = number(ARGV[2]), number(ARGV[3]), number(ARGV[4])
local new = parsed(ARGV[6])
local bound, live, gone = 0, {}, {}
for id, one in pairs(factors()) do
  if one.state ~= 'pending' then
    bound = bound + 1
  elseif number(one.expires) > now then
    live[#live + 1] = {id = id, created = number(one.created)}
  else
    gone[#gone + 1] = id
  end
end
if bound >= max_factors then return 0 end
table.sort(live, function(a, b)
  if a.created ~= b.created then return a.created < b.created end
  return precedes(a.id, b.id)
end)
if new.state == 'pending' then max_pending = max_pending - 1 end
for i = 1, #live - math.max(max_pending, 0) do gone[#gone + 1] = live[i].id end

for _, id in ipairs(gone) do drop(id) end
redis.call('HSET', KEYS[1], ARGV[5], ARGV[6])
redis.call('ZADD', KEYS[5], 0, ARGV[1] .. '\0' .. ARGV[5])
for _, method in ipairs(METHODS) do
  if redis.call('HEXISTS', KEYS[2], method .. ':failures') == 0 then clear(method) end
end
return 1
