-- method, cost, disable_at, id, first step, second step, drift, now [, the sealed secret that was read, its replacement]
--   -> 1 or 0
local id, first, step = ARGV[5], ARGV[6], ARGV[7]
local one = factor(id)
if not one or one.state ~= 'active' or not newer(first, one.last) then return 0 end
local codes = budget('otp')
if codes.failures >= number(ARGV[4]) then return 0 end
local back = refunded(budget(ARGV[2]), number(ARGV[3]))

if ARGV[11] and one.sealed == ARGV[10] then one.sealed = ARGV[11] end
one.last, one.drift, one.used = step, ARGV[8], ARGV[9]
put(id, one)
keep('otp', {failures = 0, retry_at = 0, spent_until = codes.spent_until})
keep(ARGV[2], back)
return 1
