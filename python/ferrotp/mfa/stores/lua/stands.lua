-- KEYS[1] the factors of the user who claimed a passkey, KEYS[2] the claim under way. id -> 1 or 0
must_be_writable()
local one = factor(ARGV[1])
if one and one.kind == 'passkey' then return 1 end
return redis.call('EXISTS', KEYS[2])
