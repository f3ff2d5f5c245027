-- id -> its record, or nil
local raw = redis.call('HGET', KEYS[1], ARGV[2])
if not raw then return false end
local bound = false
for id, one in pairs(factors()) do
  bound = bound or id ~= ARGV[2] and one.state ~= 'pending'
end

drop(ARGV[2])
if not bound then
  drop_codes()
  redis.call('DEL', KEYS[4])
end
return raw
