-- KEYS[1] all passkeys. The hashes' keys up to the user's part, tenant NUL id, id -> tenant NUL user and the record, or nothing
local user = redis.call('HGET', KEYS[1], ARGV[2])
if not user then return {} end
local raw = redis.call('HGET', ARGV[1] .. user, ARGV[3])
if not raw then damaged() end
return {user, raw}
