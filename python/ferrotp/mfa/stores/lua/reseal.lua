-- KEYS[i] a user's hash; for each: 'factor' or 'code', id, the sealed record that was read, its replacement
--   -> how many were replaced
local changes, latest = {}, {}
for i, key in ipairs(KEYS) do
  local kind, id, read, sealed = unpack(ARGV, 4 * i - 3, 4 * i)
  local place = key .. '\0' .. id
  local raw = latest[place] or redis.call('HGET', key, id)
  local is_same, new = raw == read, sealed
  if raw and kind == 'factor' then
    local one = parsed(raw)
    is_same, one.sealed = one.sealed == read, sealed
    new = record(one)
  end
  if is_same then
    latest[place] = new
    changes[#changes + 1] = {key, id, new}
  end
end

for _, change in ipairs(changes) do redis.call('HSET', unpack(change)) end
return #changes
