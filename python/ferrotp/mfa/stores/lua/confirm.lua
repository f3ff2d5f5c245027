-- method, cost, disable_at, id, step, drift, now, an epoch if there is none, then selector and sealed hash of each new recovery code -> 1 or 0
local id, now = ARGV[5], number(ARGV[8])
local one = factor(id)
if not one or one.state ~= 'pending' or number(one.expires) <= now then return 0 end
local used_up = budget('otp').failures >= number(ARGV[4])
local back = refunded(budget(ARGV[2]), number(ARGV[3]))
local others = used_up and factors() or {}

if used_up then
  clear('otp')
  for name, other in pairs(others) do
    if other.state == 'active' then
      other.state = 'disabled'
      put(name, other)
    end
  end
end
one.state, one.last, one.drift, one.used = 'active', ARGV[6], ARGV[7], ARGV[8]
put(id, one)
keep(ARGV[2], back)
made_epoch(ARGV[9])
if #ARGV > 9 then replace_codes(10) end
return 1
