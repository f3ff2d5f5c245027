-- series, token_hash, next_hash, now, grace -> 'renewed' | 'same' | 'unknown' | 'stolen'
local hash, now = ARGV[3], number(ARGV[5])
local one = device(ARGV[2])
if not one or number(one.expires) <= now then
  must_be_writable()
  return 'unknown'
end
if one.hash == hash then
  one.hash, one.before, one.used = ARGV[4], hash, ARGV[5]
  put_device(ARGV[2], one)
  return 'renewed'
end
if one.before == hash and now - number(one.used) <= number(ARGV[6]) then
  must_be_writable()
  return 'same'
end
redis.call('DEL', KEYS[4])
return 'stolen'
