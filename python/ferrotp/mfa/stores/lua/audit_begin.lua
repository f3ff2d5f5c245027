-- Put before common.lua where a decision is written down with rows of the audit. Their MACs are made where the keys are,
-- and not here; so a decision is asked for first, which changes nothing, and made when its rows come: if its answer is
-- still the one that they are of, and if nobody has written rows of these users in between.
--
-- KEYS    those of the script; then the rows and the head of each user; then the list of users who have rows
-- ARGV[1] how many KEYS are the script's, ARGV[2] how many ARGV are
-- ARGV[3] what audit_end.lua said of the answer, or '' to ask
-- then the script's; then how many users there are; and if it is not asked, for each: the user, the head and the number
-- of the last row as they were read, the new head, how many rows, and number and record of each

local server, all_keys, all_args = redis, KEYS, ARGV
local its_keys, its_args = tonumber(ARGV[1]), tonumber(ARGV[2])
local KEYS, ARGV = {}, {}
for i = 1, its_keys do KEYS[i] = all_keys[i] end
for i = 1, its_args do ARGV[i] = all_args[i + 3] end

-- While it is asked for, a decision reads what is there, and what it writes is left out. No script reads what it has
-- written to find its answer, but for how many fields or keys it has removed.
local asking = true
local LEFT_OUT = {
  HSET = true, HSETNX = true, SET = true, ZADD = true, ZREM = true, ZREMRANGEBYLEX = true, ZREMRANGEBYSCORE = true,
  HDEL = true, DEL = true,
}
local redis = {
  call = function(command, ...)
    if not asking or not LEFT_OUT[command] then return server.call(command, ...) end
    if command == 'DEL' then return server.call('EXISTS', ...) end
    if command ~= 'HDEL' then return 0 end
    local key, count = ..., 0
    for i = 2, select('#', ...) do count = count + server.call('HEXISTS', key, (select(i, ...))) end
    return count
  end,
}

