-- an epoch; how many factors; id and record of each; selector and sealed hash of each code -> 1 or 0
local spent = redis.call('HGET', KEYS[2], 'otp:spent_until')
if spent and spent ~= '-1' then return 0 end

local codes = 4 + 2 * number(ARGV[3])
local passkeys = {}
for i = 4, codes - 1, 2 do
  if parsed(ARGV[i + 1]).kind == 'passkey' then
    local place = of_tenant(ARGV[1], ARGV[i])
    local whose = redis.call('HGET', KEYS[7], place)
    if whose and whose ~= ARGV[1] then return 0 end
    passkeys[#passkeys + 1] = place
  end
end
local pending, stays = factors(), {}
for _, place in ipairs(passkeys) do redis.call('HSET', KEYS[7], place, ARGV[1]) end
for i = 4, codes - 1, 2 do
  stays[ARGV[i]] = true
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[5], 0, ARGV[1] .. '\0' .. ARGV[i])
end
for id in pairs(pending) do
  if not stays[id] then drop(id) end
end
for _, method in ipairs(METHODS) do clear(method) end
made_epoch(ARGV[2])
replace_codes(codes)
return 1
