-- KEYS[1] the sorted set. The hashes' keys up to the user's part, the member to go on after or '', limit
--   -> member and record of each
local first = ARGV[2] == '' and '-' or '(' .. ARGV[2]
local all = {}
for _, member in ipairs(redis.call('ZRANGEBYLEX', KEYS[1], first, '+', 'LIMIT', 0, ARGV[3])) do
  local user, id = member:match('^(%Z*%z%Z*)%z(%Z*)$')
  local one = user and redis.call('HGET', ARGV[1] .. user, id)
  -- Not passed over: a sweep that changes a key must not take a shorter page for the last one.
  if not one then damaged() end
  all[#all + 1] = member
  all[#all + 1] = one
end
return all
