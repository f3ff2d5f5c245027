-- KEYS[1] whose passkeys are. tenant NUL id, the claim that was read or '', its replacement or '' for none
--   -> '1' and what was there, if that is what was read and so was replaced; else '0' and what is there
local there = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if there ~= ARGV[2] then return {'0', there} end

if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return {'1', there}
