-- series, token_hash, next_hash, now, grace, skew -> 'renewed' | 'same' | 'unknown' | 'stolen'
local hash, now = ARGV[3], number(ARGV[5])
local one = device(ARGV[2])
if not one or number(one.expires) <= now then
  must_be_writable()
  redis.call('HDEL', KEYS[4], ARGV[2])
  return 'unknown'
end
-- `is_just_renewed` of base.py.
local since = now - number(one.used)
local just_renewed = one.before ~= '' and since >= -number(ARGV[7]) and since <= number(ARGV[6])
if one.hash == hash and not just_renewed then
  one.hash, one.before, one.used = ARGV[4], hash, ARGV[5]
  put_device(ARGV[2], one)
  return 'renewed'
end
if just_renewed and (one.hash == hash or one.before == hash) then
  must_be_writable()
  return 'same'
end
redis.call('DEL', KEYS[4])
return 'stolen'
