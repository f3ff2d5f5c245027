-- method, cost, disable_at, id, step, drift, now, an epoch if there is none, max_factors, only_first,
-- a name or nothing, then selector and sealed hash of each new recovery code
--   -> 'gone' | 'enrolled' | 'full' | 'confirmed' | 'confirmed with codes'
local id, now, max_factors, only_first = ARGV[5], number(ARGV[8]), number(ARGV[10]), ARGV[11] == '1'
check_whole()
local all = factors()
local one = all[id]
if not one or one.state ~= 'pending' or number(one.expires) <= now then return 'gone' end
local why = refused(all, max_factors, only_first)
if why then return why end
local used_up = budget('otp').failures >= number(ARGV[4])
local back = refunded(budget(ARGV[2]), number(ARGV[3]))
local with_codes = #ARGV > 12 and redis.call('HLEN', KEYS[3]) == 0

if used_up then
  clear('otp')
  for name, other in pairs(all) do
    if other.state == 'active' and other.kind ~= 'passkey' then
      other.state = 'disabled'
      put(name, other)
    end
  end
end
if ARGV[12] ~= '' then one.name = ARGV[12] end
one.state, one.last, one.drift, one.used = 'active', ARGV[6], ARGV[7], ARGV[8]
put(id, one)
note_bound()
keep(ARGV[2], back)
made_epoch(ARGV[9])
if with_codes then
  replace_codes(13)
  return 'confirmed with codes'
end
return 'confirmed'
