-- KEYS[1] and KEYS[2] the lists of a store in one slot, KEYS[3] the mark of one that is spread over a Cluster.
-- Whether to make the mark -> 'other' | 'made' | 'there' | 'none'
if redis.call('EXISTS', KEYS[1], KEYS[2]) > 0 then return 'other' end
if redis.call('EXISTS', KEYS[3]) == 1 then return 'there' end
if ARGV[1] == '0' then return 'none' end

redis.call('HSET', KEYS[3], 'layout', '1')
return 'made'
