-- method, now, factor_id, the id of a half-login or nothing
--   -> "none", or "ended", or failures, retry_at, spent_until, how many recovery codes, then id and record of each factor
local found, is_open = offered(ARGV[2], number(ARGV[3]), ARGV[4])
must_be_writable()
if ARGV[5] ~= '' and redis.call('HEXISTS', KEYS[2], 'ended:' .. ARGV[5]) == 1 then return {'ended'} end
if not is_open then
  check_whole()
  return {'none'}
end
local one = budget(ARGV[2])
return {text(one.failures), text(one.retry_at), text(one.spent_until), text(redis.call('HLEN', KEYS[3])), unpack(found)}
