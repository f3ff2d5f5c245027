-- Put before each of the scripts beside this file. A script reads, then decides, then writes: one that fails after its
-- first write would leave half a decision, for Redis takes nothing back. What keeps something writes that first, and
-- removes afterwards: a full server refuses the first write if it takes memory, and no later one.
--
-- While a Cluster moves a slot, its old node runs a script if all of KEYS are there, and refuses each command on a key
-- that is not, in the middle of a script too. So what comes is written before what goes is removed, and a key that may
-- have been emptied is not asked for again.
--
-- KEYS[1] the user's factors     hash: id -> record
-- KEYS[2] the user's budgets     hash: "otp:failures" and so on -> number; "epoch" -> text;
--                             "ended:" and a login's id -> when that expires
-- KEYS[3] the user's codes       hash: selector -> sealed
-- KEYS[4] the user's devices     hash: series -> record
-- KEYS[5] all factors, KEYS[6] all codes     sorted sets, all of score 0: tenant NUL user NUL id
-- KEYS[7] all passkeys        hash: tenant NUL id -> tenant NUL user
-- KEYS[8] answered challenges sorted set: tenant NUL challenge, by when it expires
-- ARGV[1] tenant NUL user
--
-- Numbers are kept as decimal text. Left to itself Lua would write 1.7e+12, and read "nan" and "0x10".

local METHODS = {'otp', 'recovery', 'enrollment'}

local function damaged()
  error('FERROTP damaged')
end

local function number(digits)
  if not digits or not digits:find('^%-?%d+$') then damaged() end
  return tonumber(digits)
end

local function text(whole)
  return string.format('%.0f', whole)
end

-- Steps and counters go to 2^64, where a double no longer tells neighbours apart: halves of 15 digits it does.
local function newer(step, last)
  if step:sub(1, 1) == '-' then return false end
  if last:sub(1, 1) == '-' then return true end
  step, last = ('0'):rep(30 - #step) .. step, ('0'):rep(30 - #last) .. last
  local high, old = number(step:sub(1, 15)), number(last:sub(1, 15))
  if high ~= old then return high > old end
  return number(step:sub(16)) > number(last:sub(16))
end

-- The order of bytes. Lua's own "<" goes by the server's locale.
local function precedes(a, b)
  for i = 1, math.min(#a, #b) do
    if a:byte(i) ~= b:byte(i) then return a:byte(i) < b:byte(i) end
  end
  return #a < #b
end

-- `surplus` of base.py: the ids that go, of records {id, at, expires}.
local function surplus(records, now, room)
  local live, gone = {}, {}
  for _, one in ipairs(records) do
    if one.expires > now then live[#live + 1] = one else gone[#gone + 1] = one.id end
  end
  table.sort(live, function(a, b)
    if a.at ~= b.at then return a.at < b.at end
    return precedes(a.id, b.id)
  end)
  for i = 1, math.min(#live - room, #live) do gone[#gone + 1] = live[i].id end
  return gone
end

-- Writes nothing, and fails where nothing may be written: a replica that lags must not have the say.
local function must_be_writable()
  redis.call('HDEL', KEYS[1], '\0')
end

-- A factor's record is one line of its fields, the last of them the length of the name; then the name; then `sealed`.
local FIELDS = '^1 (%l+) (%l+) ([01]) (%-?%d+) (%-?%d+) (%-?%d+) (%-?%d+) (%-?%d+) (%d+)\n()'

local function parsed(raw)
  if not raw then return nil end
  local kind, state, legacy, created, expires, last, drift, used, size, at = raw:match(FIELDS)
  if not at then damaged() end
  return {
    kind = kind, state = state, legacy = legacy, created = created, expires = expires, last = last, drift = drift,
    used = used, name = raw:sub(at, at + size - 1), sealed = raw:sub(at + size),
  }
end

local function record(factor)
  return table.concat({
    '1', factor.kind, factor.state, factor.legacy, factor.created, factor.expires, factor.last, factor.drift,
    factor.used, #factor.name,
  }, ' ') .. '\n' .. factor.name .. factor.sealed
end

local function factor(id)
  return parsed(redis.call('HGET', KEYS[1], id))
end

local function factors()
  local all, flat = {}, redis.call('HGETALL', KEYS[1])
  for i = 1, #flat, 2 do all[flat[i]] = parsed(flat[i + 1]) end
  return all
end

local function is_bound()
  for _, one in pairs(factors()) do
    if one.state ~= 'pending' then return true end
  end
  return false
end

-- `check_room` of base.py: what is refused, of a user with these factors.
local function refused(all, max_factors, only_first)
  local bound = 0
  for _, one in pairs(all) do
    if one.state ~= 'pending' then bound = bound + 1 end
  end
  if bound > 0 and only_first then return 'enrolled' end
  if bound >= max_factors then return 'full' end
  return nil
end

-- `check_whole` of base.py; and what an index has of a user, and the hash has not, was lost with the hash.
local function check_whole()
  for index, hash in pairs({[KEYS[5]] = KEYS[1], [KEYS[6]] = KEYS[3]}) do
    local named = redis.call('ZLEXCOUNT', index, '[' .. ARGV[1] .. '\0', '(' .. ARGV[1] .. '\1')
    if named ~= redis.call('HLEN', hash) then damaged() end
  end
  if redis.call('EXISTS', KEYS[3], KEYS[4]) > 0 and not is_bound() then damaged() end
  if redis.call('EXISTS', KEYS[1]) == 1 and redis.call('HEXISTS', KEYS[2], 'otp:failures') == 0 then damaged() end
end

-- The factors that an attempt is tried on, as a list of id and record, and whether there is anything to try it on.
local function offered(method, now, id)
  local found, is_open = {}, false
  local function offer(name, raw)
    local one = parsed(raw)
    if not one then return end
    if method == 'recovery' then
      is_open = is_open or one.state ~= 'pending'
    elseif (method == 'otp' or method == 'unlock') and one.state == 'active'
      or method == 'enrollment' and one.state == 'pending' and number(one.expires) > now then
      is_open = true
      found[#found + 1] = name
      found[#found + 1] = raw
    end
  end
  if method == 'enrollment' or method ~= 'recovery' and id ~= '' then
    offer(id, redis.call('HGET', KEYS[1], id))
  else
    local flat = redis.call('HGETALL', KEYS[1])
    for i = 1, #flat, 2 do offer(flat[i], flat[i + 1]) end
  end
  return found, is_open
end

-- What comes first in KEYS[7] and KEYS[8]: an id or a challenge, after the tenant of a user.
local function of_tenant(user, id)
  return user:match('^%Z*%z') .. id
end

-- The ids of a user's passkeys, by the key of the user's factors.
local function passkeys_in(key)
  local ids, flat = {}, redis.call('HGETALL', key)
  for i = 1, #flat, 2 do
    if parsed(flat[i + 1]).kind == 'passkey' then ids[#ids + 1] = flat[i] end
  end
  return ids
end

-- Whether a challenge was answered, and could be once more. Nothing is written before it is decided what comes of it.
local function was_answered(challenge, now)
  local expires = redis.call('ZSCORE', KEYS[8], of_tenant(ARGV[1], challenge))
  return expires and tonumber(expires) > number(now)
end

local function answer(challenge, expires, now)
  redis.call('ZADD', KEYS[8], expires, of_tenant(ARGV[1], challenge))
  redis.call('ZREMRANGEBYSCORE', KEYS[8], '-inf', now)
end

local function put(id, one)
  redis.call('HSET', KEYS[1], id, record(one))
end

local function drop(id)
  local one = factor(id)
  if one and one.kind == 'passkey' then redis.call('HDEL', KEYS[7], of_tenant(ARGV[1], id)) end
  redis.call('HDEL', KEYS[1], id)
  redis.call('ZREM', KEYS[5], ARGV[1] .. '\0' .. id)
end

-- A user who has factors has budgets. That they are gone is no reason to begin again at nought. Only that of "unlock"
-- comes later, with the first attempt.
local function budget(method)
  local kept = redis.call('HMGET', KEYS[2], method .. ':failures', method .. ':retry_at', method .. ':spent_until')
  if method == 'unlock' and not kept[1] and redis.call('HEXISTS', KEYS[2], 'otp:failures') == 1 then
    return {failures = 0, retry_at = 0, spent_until = 0}
  end
  return {failures = number(kept[1]), retry_at = number(kept[2]), spent_until = number(kept[3])}
end

local function keep(method, one)
  redis.call(
    'HSET', KEYS[2], method .. ':failures', text(one.failures), method .. ':retry_at', text(one.retry_at),
    method .. ':spent_until', text(one.spent_until)
  )
end

local function clear(method)
  keep(method, {failures = 0, retry_at = 0, spent_until = 0})
end

local function has_budgets()
  return redis.call('HEXISTS', KEYS[2], 'otp:failures') == 1
end

-- The user's epoch. Where there is none, `fresh` becomes it.
local function made_epoch(fresh)
  redis.call('HSETNX', KEYS[2], 'epoch', fresh)
  return redis.call('HGET', KEYS[2], 'epoch')
end

-- As `user` gives it: a user with a factor that is not pending has one, if an older version added the factor, too.
local function known_epoch(fresh)
  local kept = redis.call('HGET', KEYS[2], 'epoch')
  if kept then return kept end
  return is_bound() and made_epoch(fresh) or ''
end

-- Makes it `epoch`, and trusts no device any more. How many devices there were.
local function move_epoch(epoch)
  local count = redis.call('HLEN', KEYS[4])
  redis.call('HSET', KEYS[2], 'epoch', epoch)
  redis.call('DEL', KEYS[4])
  return count
end

-- The user has a factor that is not pending, from now on: see `NEVER_BOUND` of base.py.
local function note_bound()
  if redis.call('HGET', KEYS[2], 'otp:spent_until') == '-1' then clear('otp') end
end

-- `refund` of base.py.
local function refunded(one, cost)
  return {failures = 0, retry_at = 0, spent_until = math.max(one.spent_until - cost, 0)}
end

local function drop_codes()
  redis.call('DEL', KEYS[3])
  redis.call('ZREMRANGEBYLEX', KEYS[6], '[' .. ARGV[1] .. '\0', '(' .. ARGV[1] .. '\1')
end

-- The codes are ARGV[first], its sealed hash, and so on to the end.
local function replace_codes(first)
  local old = redis.call('HKEYS', KEYS[3])
  local listed = redis.call('ZRANGEBYLEX', KEYS[6], '[' .. ARGV[1] .. '\0', '(' .. ARGV[1] .. '\1')
  local stays = {}
  for i = first, #ARGV, 2 do
    stays[ARGV[i]] = true
    redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1])
    redis.call('ZADD', KEYS[6], 0, ARGV[1] .. '\0' .. ARGV[i])
  end
  for _, selector in ipairs(old) do
    if not stays[selector] then redis.call('HDEL', KEYS[3], selector) end
  end
  for _, member in ipairs(listed) do
    if not stays[member:sub(#ARGV[1] + 2)] then redis.call('ZREM', KEYS[6], member) end
  end
  clear('recovery')
end

-- A device's record: a line of numbers, the last two of them lengths; the token to come, the one before; the name.
local function device(series)
  local raw = redis.call('HGET', KEYS[4], series)
  if not raw then return nil end
  local created, expires, used, size, other, at = raw:match('^1 (%-?%d+) (%-?%d+) (%-?%d+) (%d+) (%d+)\n()')
  if not at then damaged() end
  local middle = at + size
  return {
    created = created, expires = expires, used = used, hash = raw:sub(at, middle - 1),
    before = raw:sub(middle, middle + other - 1), name = raw:sub(middle + other),
  }
end

local function put_device(series, one)
  local line = table.concat({'1', one.created, one.expires, one.used, #one.hash, #one.before}, ' ')
  redis.call('HSET', KEYS[4], series, line .. '\n' .. one.hash .. one.before .. one.name)
end
