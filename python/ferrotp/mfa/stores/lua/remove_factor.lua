-- id, the epoch from then on, keep_last -> its record; nil if there is none; 0 if it is the only active one, and is kept
local raw = redis.call('HGET', KEYS[1], ARGV[2])
if not raw then return false end
local removed, bound = parsed(raw), false
local active = removed.state ~= 'active'
for id, one in pairs(factors()) do
  bound = bound or id ~= ARGV[2] and one.state ~= 'pending'
  active = active or id ~= ARGV[2] and one.state == 'active'
end
if ARGV[4] == '1' and not active then return 0 end

drop(ARGV[2])
if removed.state ~= 'pending' then move_epoch(ARGV[3]) end
if not bound then drop_codes() end
return raw
