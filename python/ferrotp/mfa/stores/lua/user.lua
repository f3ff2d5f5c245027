-- an epoch for a user who should have one and has none
--   -> how many codes are unused, the epoch or '', three numbers for each budget, then id and record of each factor
check_whole()
must_be_writable()
local all = {redis.call('HLEN', KEYS[3]), known_epoch(ARGV[2])}
for _, method in ipairs(METHODS) do
  local kept = redis.call('HMGET', KEYS[2], method .. ':failures', method .. ':retry_at', method .. ':spent_until')
  for i = 1, 3 do all[#all + 1] = kept[i] or '0' end
end
for _, one in ipairs(redis.call('HGETALL', KEYS[1])) do all[#all + 1] = one end
return all
