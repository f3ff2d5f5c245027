-- KEYS[1] the rows, KEYS[2] the head -> the head or '', and the number of the last row
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] or '0'
return {redis.call('GET', KEYS[2]) or '', last}
