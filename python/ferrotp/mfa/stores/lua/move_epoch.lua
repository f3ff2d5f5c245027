-- epoch [, the one that it must be in place of] -> how many trusted devices there were, or nil
if ARGV[3] and (redis.call('HGET', KEYS[2], 'epoch') or '') ~= ARGV[3] then return false end

return move_epoch(ARGV[2])
