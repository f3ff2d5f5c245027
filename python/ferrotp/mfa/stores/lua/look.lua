-- method, now, factor_id -> nothing, or failures, retry_at, spent_until, then id and record of each factor
local found, is_open = offered(ARGV[2], number(ARGV[3]), ARGV[4])
must_be_writable()
if not is_open then
  check_whole()
  return {}
end
local one = budget(ARGV[2])
return {text(one.failures), text(one.retry_at), text(one.spent_until), unpack(found)}
