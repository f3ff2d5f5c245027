-- id, keep_last -> its record; nil if there is none; 0 if it is the only active one, and is kept
local raw = redis.call('HGET', KEYS[1], ARGV[2])
if not raw then return false end
local bound, active = false, parsed(raw).state ~= 'active'
for id, one in pairs(factors()) do
  bound = bound or id ~= ARGV[2] and one.state ~= 'pending'
  active = active or id ~= ARGV[2] and one.state == 'active'
end
if ARGV[3] == '1' and not active then return 0 end

drop(ARGV[2])
if not bound then
  drop_codes()
  redis.call('DEL', KEYS[4])
end
return raw
