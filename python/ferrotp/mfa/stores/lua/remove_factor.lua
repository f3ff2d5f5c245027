-- id, the epoch from then on -> its record, or nil
local raw = redis.call('HGET', KEYS[1], ARGV[2])
if not raw then return false end
local removed, bound = parsed(raw), false
for id, one in pairs(factors()) do
  bound = bound or id ~= ARGV[2] and one.state ~= 'pending'
end

drop(ARGV[2])
if removed.state ~= 'pending' then move_epoch(ARGV[3]) end
if not bound then drop_codes() end
return raw
