-- -> series and record of each
return redis.call('HGETALL', KEYS[4])
