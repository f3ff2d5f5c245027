-- method, failures, retry_at and spent_until as they were read, the same as they become, id, the record that was read
--   [, the record that it becomes] -> 1, or 0 if anything is not as it was read
local one = budget(ARGV[2])
if redis.call('HGET', KEYS[1], ARGV[9]) ~= ARGV[10] then return 0 end
if one.failures ~= number(ARGV[3]) or one.retry_at ~= number(ARGV[4]) or one.spent_until ~= number(ARGV[5]) then
  return 0
end
local after = {failures = number(ARGV[6]), retry_at = number(ARGV[7]), spent_until = number(ARGV[8])}

if ARGV[11] then redis.call('HSET', KEYS[1], ARGV[9], ARGV[11]) end
keep(ARGV[2], after)
return 1
