-- challenge, when it expires, now, id, record, max_factors, only_first, an epoch if there is none,
-- then selector and sealed hash of each new recovery code
--   -> 'answered' | 'taken' | 'enrolled' | 'full' | 'confirmed' | 'confirmed with codes'
local challenge, expires, now, id = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local max_factors, only_first = number(ARGV[7]), ARGV[8] == '1'
check_whole()
if was_answered(challenge, now) then
  must_be_writable()
  return 'answered'
end
local all = factors()
if all[id] then return 'taken' end
local why = refused(all, max_factors, only_first)
if why then return why end
if redis.call('HEXISTS', KEYS[7], of_tenant(ARGV[1], id)) == 1 then return 'taken' end
local with_codes = #ARGV > 9 and redis.call('HLEN', KEYS[3]) == 0

answer(challenge, expires, now)
redis.call('HSET', KEYS[1], id, ARGV[6])
redis.call('ZADD', KEYS[5], 0, ARGV[1] .. '\0' .. id)
redis.call('HSET', KEYS[7], of_tenant(ARGV[1], id), ARGV[1])
for _, method in ipairs(METHODS) do
  if redis.call('HEXISTS', KEYS[2], method .. ':failures') == 0 then clear(method) end
end
note_bound()
made_epoch(ARGV[9])
if with_codes then
  replace_codes(10)
  return 'confirmed with codes'
end
return 'confirmed'
