-- KEYS[1] the list of users who have rows. The one to go on after or '', limit -> the users
local first = ARGV[1] == '' and '-' or '(' .. ARGV[1]
return redis.call('ZRANGEBYLEX', KEYS[1], first, '+', 'LIMIT', 0, ARGV[2])
