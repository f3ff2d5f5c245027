-- method, now, factor_id, selector, cost, horizon, disable_at, free, delays...
--   -> 'none' | 'disabled', clock_was_ahead | 'throttled', clock_was_ahead, open_at
--    | 'open', failures, retry_at, spent_until, then id and record of each factor, or the recovery code's sealed hash
local method, now, id = ARGV[2], number(ARGV[3]), ARGV[4]
local cost, horizon, disable_at, free = number(ARGV[6]), number(ARGV[7]), number(ARGV[8]), number(ARGV[9])
local found, is_open = offered(method, now, id)
if not is_open then
  check_whole()
  must_be_writable()
  return {'none'}
end
if method == 'recovery' then
  local sealed = redis.call('HGET', KEYS[3], ARGV[5])
  if sealed then found = {sealed} end
end

-- `charge` of base.py.
local one = budget(method)
local retry_at = math.min(one.retry_at, now + number(ARGV[#ARGV]))
local spent_until = math.min(one.spent_until, now + horizon)
local ahead = (retry_at ~= one.retry_at or spent_until ~= one.spent_until) and '1' or '0'
local kept = {failures = one.failures, retry_at = retry_at, spent_until = spent_until}
if one.failures >= disable_at then
  keep(method, kept)
  return {'disabled', ahead}
end
local spent = math.max(spent_until, now) + cost
local open_at = math.max(retry_at, spent - horizon)
if open_at > now then
  keep(method, kept)
  return {'throttled', ahead, text(open_at)}
end
local failures = one.failures + 1
retry_at = 0
if failures > free then
  local delay = number(ARGV[9 + math.min(failures - free, #ARGV - 9)])
  if delay ~= 0 then retry_at = now + delay end
end
keep(method, {failures = failures, retry_at = retry_at, spent_until = spent})
return {'open', text(failures), text(retry_at), text(spent), unpack(found)}
