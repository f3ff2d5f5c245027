-- now, max_factors, max_pending, id, record, an epoch if there is none -> 1, 0 if there are too many, 2 if there is one of this id
local now, max_factors, max_pending = number(ARGV[2]), number(ARGV[3]), number(ARGV[4])
local new = parsed(ARGV[6])
local bound, pending = 0, {}
for id, one in pairs(factors()) do
  if one.state ~= 'pending' then
    bound = bound + 1
  else
    pending[#pending + 1] = {id = id, at = number(one.created), expires = number(one.expires)}
  end
end
if redis.call('HEXISTS', KEYS[1], ARGV[5]) == 1 then return 2 end
if bound >= max_factors then return 0 end
if new.state == 'pending' then max_pending = max_pending - 1 end
local gone = surplus(pending, now, max_pending)

redis.call('HSET', KEYS[1], ARGV[5], ARGV[6])
redis.call('ZADD', KEYS[5], 0, ARGV[1] .. '\0' .. ARGV[5])
for _, id in ipairs(gone) do drop(id) end
for _, method in ipairs(METHODS) do
  if redis.call('HEXISTS', KEYS[2], method .. ':failures') == 0 then
    keep(method, {failures = 0, retry_at = 0, spent_until = method == 'otp' and -1 or 0})
  end
end
if new.state == 'pending' then
  redis.call('HSET', KEYS[2], 'enrollment:failures', '0', 'enrollment:retry_at', '0')
else
  note_bound()
end
if new.state ~= 'pending' then made_epoch(ARGV[7]) end
return 1
